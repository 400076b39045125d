"""Tool calls as text, end to end: real tools, and messages every chat template can take."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.config.teacher import TeacherConfig
from ffr.data.question import Question
from ffr.demo.layout import VideoPlan
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.build import key_maker
from ffr.teacher.client import ChatClient
from ffr.teacher.loop import OpenAITeacher
from ffr.teacher.text_tools import TextTools
from teacher_tools.runner import ToolRunner
from teacher_tools.toolset import builtin_toolset

FINAL = json.dumps(
    {
        "error_types": ["temporal"],
        "guidance": "Look at the whole frame from 2.0 to 4.0 seconds.",
        "key_times_s": [3.0],
        "evidence": ["img_2"],
    }
)
CALLS = {
    "hermes": (
        '<tool_call>\n{"name": "clip", "arguments": {"start_s": 1, "end_s": 2}}\n</tool_call>'
    ),
    "unclosed": 'I look.\n<tool_call>{"name": "clip", "arguments": {"start_s": 1, "end_s": 2}}',
    "fenced": '```json\n{"name": "clip", "parameters": {"start_s": 1, "end_s": 2}}\n```',
    "bare": '{"name": "clip", "arguments": "{\\"start_s\\": 1, \\"end_s\\": 2}"}',
    "thought of another first": (
        '<think><tool_call>{"name": "zoom", "arguments": {}}</tool_call></think>'
        '<tool_call>{"name": "clip", "arguments": {"start_s": 1, "end_s": 2}}</tool_call>'
    ),
    "made-up result": (
        '<tool_call>{"name": "clip", "arguments": {"start_s": 1, "end_s": 2}}</tool_call>'
        '<tool_response>It is B.</tool_response><tool_call>{"name": "zoom"}</tool_call>'
    ),
}


Diagnose = Callable[..., Awaitable[Diagnosis]]


@pytest.fixture
def diagnose(
    fault: Any, plan: VideoPlan, runner: ToolRunner, media_root: Path, tmp_path: Path
) -> Diagnose:
    """One diagnosis by a model that says ``script``, with tool workers shared by all tests."""

    async def run(*script: str) -> Diagnosis:
        fault.script = [fault.say(text) for text in script]
        config = TeacherConfig(base_url=fault.base_url, tool_calling="text", first_view_frames=2)
        question = Question(
            id="q", video=f"videos/{plan.name}", question="Which shape?", answer_type="choice",
            options=("circle", "square"), answer="B",
        )  # fmt: skip
        client = ChatClient(
            base_url=fault.base_url, api_key="none", model="m", temperature=0.1, direct=True,
            max_output_tokens=99, call_timeout_s=30.0, retries=0, breaker=CircuitBreaker(9, 30.0),
        )  # fmt: skip
        media = MediaStore(tmp_path / "media")
        teacher = OpenAITeacher(config, TextTools(client), runner, media, media_root)
        try:
            return await teacher.diagnose(FailedRollout(question, "A circle.", "A"))
        finally:
            await client.aclose()

    return run


@pytest.mark.parametrize("form", CALLS)
async def test_calls_in_every_form_are_run(fault: Any, diagnose: Diagnose, form: str) -> None:
    result = await diagnose(CALLS[form], FINAL)
    assert isinstance(result.outcome, EvidencePatch), result.outcome
    assert result.tool_calls == (("clip", 1, 0),)
    assert len(result.outcome.frames) == 1
    assert not [body for body in fault.bodies if "tools" in body or "tool_choice" in body]
    first, second = (body["messages"] for body in fault.bodies)
    assert [m["role"] for m in first] == ["system", "user"]
    assert [m["role"] for m in second] == ["system", "user", "assistant", "user"]
    assert '"name": "clip"' in first[0]["content"]
    assert second[0] == first[0]
    assert "It is B" not in json.dumps(second)
    blocks = second[3]["content"]
    assert blocks[0]["text"].startswith('<tool_response>\n{"ok": true')
    assert [b["type"] for b in blocks].count("image_url") == 8
    assert second[2]["content"].count("<tool_call>") == 1


async def test_a_call_that_cannot_be_read_is_told_and_may_be_mended(
    fault: Any, diagnose: Diagnose
) -> None:
    broken = '<tool_call>{"name": "clip", "arguments": {"start_s": 1, "end_s": }</tool_call>'
    result = await diagnose(broken, CALLS["hermes"], FINAL)
    assert isinstance(result.outcome, EvidencePatch)
    assert result.tool_calls == (("clip", 2, 1),)
    assert '"ok": false' in fault.bodies[1]["messages"][3]["content"][0]["text"]


async def test_endless_calls_in_text_end(fault: Any, diagnose: Diagnose) -> None:
    result = await diagnose(CALLS["hermes"])
    assert isinstance(result.outcome, NoPatch)
    assert result.outcome.reason == "invalid_output"
    assert len(fault.bodies) == 3 + 1 + 1
    last = fault.bodies[3]["messages"][-1]["content"][-1]["text"]
    assert last == "Give your final answer now."


def test_the_store_tells_the_two_forms_apart() -> None:
    tools = builtin_toolset(("clip",))
    question = Question(id="q", video="v", question="What?", answer_type="text", answer="x")
    keys = [
        key_maker(TeacherConfig(tool_calling=mode), tools).key("v", question, "y")
        for mode in ("native", "text")
    ]
    assert keys[0] != keys[1]
