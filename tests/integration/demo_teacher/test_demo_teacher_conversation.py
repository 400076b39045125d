"""Whole diagnoses: server process, official client, real tools, rendered videos.

The client here is the smallest one that keeps to the wire contract; the production client has
tests of its own.
"""

import base64
import json
import re

import openai
import pytest

from ffr.demo.layout import plan_video
from ffr.demo.questions import question_about
from ffr.demo.render import render_video
from ffr.demo.server import DemoTeacherServer
from ffr.demo.vocabulary import COLOURS, SHAPES
from ffr.patches.patch import EvidencePatch
from ffr.teacher.final_answer import parse_final_answer
from ffr.teacher.leakage import check_patch
from teacher_tools import ToolRunner, builtin_toolset, encode_jpeg

SECRETS = re.compile("|".join([*COLOURS, *SHAPES]), re.IGNORECASE)
SEED, VIDEOS = 11, 3


class Diagnosis:
    """One conversation; ``images`` maps ids to (time in seconds, box or None)."""

    def __init__(self, client, runner, video):
        self.client, self.runner, self.video = client, runner, video
        self.images = {}
        self.tools_called = []

    def blocks(self, frames):
        names, blocks = [], []
        for frame in frames:
            name = f"img_{len(self.images)}"
            box = frame.box and ",".join(f"{v:.4f}" for v in frame.box)
            what = "frame" if box is None else f"crop {box}"
            url = f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(frame.image)).decode()}"
            blocks += [
                {"type": "text", "text": f"[image {name}] {what} at {frame.t_s:.3f} s"},
                {"type": "image_url", "image_url": {"url": url}},
            ]
            self.images[name] = (frame.t_s, frame.box)
            names.append(name)
        return names, blocks

    def call(self, call):
        self.tools_called.append(call.function.name)
        result = self.runner.call_sync(call.function.name, call.function.arguments, self.video)
        assert result.ok, result.message
        names, blocks = self.blocks(result.evidence.frames)
        content = json.dumps({"ok": True, "text": result.message, "images": names})
        return {"role": "tool", "tool_call_id": call.id, "content": content}, blocks

    def run(self, question_text, rounds=3):
        overview = self.runner.call_sync(
            "clip", json.dumps({"start_s": 0.0, "end_s": 8.0, "frames": 8}), self.video
        )
        task = (
            f"Question: {question_text}\nVideo duration: 8.0 s\nReference answer: secret\n"
            "Student response:\n<answer>no idea</answer>"
        )
        first = [{"type": "text", "text": task}, *self.blocks(overview.evidence.frames)[1]]
        messages = [
            {"role": "system", "content": "You explain failures."},
            {"role": "user", "content": first},
        ]
        tools = self.runner.toolset.openai_schemas()
        for left in range(rounds, -1, -1):
            if left == 0:
                messages.append({"role": "user", "content": "Give your final answer now."})
            completion = self.client.chat.completions.create(
                model="demo",
                messages=messages,
                tools=tools,
                tool_choice="auto" if left else "none",
            )
            message = completion.choices[0].message
            messages.append(message.model_dump(exclude_none=True))
            if not message.tool_calls:
                parse_final_answer(message.content)
                return json.loads(message.content)
            answers, blocks = [], []
            for call in message.tool_calls:
                answer, shown = self.call(call)
                answers.append(answer)
                blocks += shown
            messages += [*answers, {"role": "user", "content": blocks}]
        raise AssertionError("tools were called when none were left")


@pytest.fixture(scope="module")
def diagnose(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    with (
        DemoTeacherServer() as server,
        ToolRunner(builtin_toolset(), workers=1) as runner,
        openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client,
    ):

        def start(plan):
            video = folder / plan.name
            if not video.exists():
                video.write_bytes(render_video(plan))
            return Diagnosis(client, runner, video)

        yield start


CASES = [
    (plan_video(SEED, "train", number), slot) for number in range(VIDEOS) for slot in range(4)
]


@pytest.mark.parametrize(
    ("plan", "slot"), CASES, ids=[f"{p.number}-{p.objects[s].family}" for p, s in CASES]
)
def test_evidence_lies_in_the_true_span(diagnose, plan, slot):
    item = plan.objects[slot]
    diagnosis = diagnose(plan)
    answer = diagnosis.run(question_about(plan, item).question)
    truth = plan.span(item)
    assert answer["evidence"]
    for name in answer["evidence"]:
        t_s, box = diagnosis.images[name]
        assert truth.start_s - 1e-4 <= t_s <= truth.end_s + 1e-4
        assert (box is not None) == (item.family == "spatial")
        if box is not None:
            assert box[0] <= truth.box[0] + 0.005
            assert box[1] <= truth.box[1] + 0.005
            assert box[2] >= truth.box[2] - 0.005
            assert box[3] >= truth.box[3] - 0.005
            assert box[2] - box[0] < 0.12
    expected = {"visible": "misconception"}.get(item.family, item.family)
    assert answer["error_types"] == [expected]
    zooms = ["zoom"] if item.family == "spatial" else []
    assert diagnosis.tools_called == ["timestamp", "clip", *zooms]
    words = [answer["guidance"], *answer["temporal_markers"]]
    words += [region["desc"] for region in answer["spatial_regions"]]
    assert not SECRETS.search(" ".join(words))
    patch = EvidencePatch.model_validate({k: v for k, v in answer.items() if k != "evidence"})
    verdict = check_patch(question_about(plan, item), patch, "<answer>no idea</answer>")
    assert verdict.passed, verdict.rules


def test_a_question_without_a_time_gets_a_generic_patch(diagnose):
    diagnosis = diagnose(CASES[0][0])
    answer = diagnosis.run("What happens in this video?")
    assert diagnosis.tools_called == ["timestamp", "clip"]
    assert len(answer["evidence"]) == 2
    assert answer["error_types"] == ["temporal"]


def test_no_tool_rounds_left_still_gives_an_answer(diagnose):
    plan = CASES[0][0]
    item = next(o for o in plan.objects if o.family == "visible")
    diagnosis = diagnose(plan)
    answer = diagnosis.run(question_about(plan, item).question, rounds=0)
    truth = plan.span(item)
    assert diagnosis.tools_called == []
    assert all(truth.start_s - 1e-4 <= t <= truth.end_s + 1e-4 for t in answer["key_times_s"])
    assert answer["evidence"]
