"""What the teacher is told, how messages look on the wire, and how a patch is put together."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from ffr.data.question import Question
from ffr.teacher.assemble import assemble
from ffr.teacher.client import ChatReply, ToolRequest
from ffr.teacher.conversation import Conversation
from ffr.teacher.final_answer import FinalAnswer, FinalAnswerError
from ffr.teacher.pictures import FirstView, Picture
from ffr.teacher.prompts import (
    FINAL_REQUEST,
    prompt_hash,
    retry_text,
    system_prompt,
    task_text,
)

CHOICE = Question(
    id="q",
    video="v.mp4",
    question="Which shape appears?",
    options=("circle", "zyxgold"),
    answer_type="choice",
    answer="B",
)


def picture(
    t_s: float, data: bytes, box: tuple[float, float, float, float] | None = None
) -> Picture:
    return Picture(t_s, box, data, "data:image/jpeg;base64,AAAA")


VIEW = FirstView((picture(0.5, b"a"), picture(1.5, b"b")), 2.0)


def test_task_has_every_option_and_the_gold_only_when_asked() -> None:
    seen = task_text(CHOICE, "I say circle.", duration_s=8.0, see_gt=True)
    assert seen.splitlines()[:6] == [
        "Question: Which shape appears?",
        "Options:",
        "A. circle",
        "B. zyxgold",
        "Video duration: 8.00 s",
        "Reference answer: B. zyxgold",
    ]
    assert seen.endswith("Student response:\nI say circle.")
    unseen = task_text(CHOICE, "", duration_s=8.0, see_gt=False)
    assert "Reference answer" not in unseen
    assert unseen.endswith("(empty)")
    open_ = Question(id="o", video="v", question="What?", answer_type="text", answer="zyxgold")
    assert "zyxgold" not in task_text(open_, "x", duration_s=1.0, see_gt=False)


def test_system_prompt_states_the_limits() -> None:
    text = system_prompt(frames=16, tools=True, rounds=3, images=24, words=60, evidence=4)
    for limit in ("16 frames", "3 rounds", "24 images", "60 words", "at most 4 images"):
        assert limit in text
    assert '"spatial_regions": [{"t_s": seconds' in text
    none = system_prompt(frames=4, tools=False, rounds=3, images=1, words=9, evidence=1)
    assert "no tools" in none
    assert "rounds" not in none


def test_retry_asks_for_the_final_answer_again() -> None:
    assert retry_text("because").endswith(FINAL_REQUEST)
    assert "refused: because." in retry_text("because")


def test_prompt_hash_is_stable_and_hex() -> None:
    assert prompt_hash() == prompt_hash()
    assert re.fullmatch(r"[0-9a-f]{64}", prompt_hash())


def test_conversation_labels_every_image_right_before_it() -> None:
    talk = Conversation("sys", VIEW, "task", final=False)
    talk.add_tool_calls(
        ChatReply("hm", (ToolRequest("c1", "zoom", "{}"), ToolRequest("c2", "x", "")))
    )
    crop = picture(1.25, b"c", (0.1, 0.25, 0.5, 1.0))
    talk.add_results([("c1", True, "seen", [crop]), ("c2", False, "no", [])], final=True)
    roles = [m["role"] for m in talk.messages]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    first = talk.messages[1]["content"]
    assert [b["type"] for b in first] == ["text", "text", "image_url", "text", "image_url", "text"]
    assert first[3]["text"] == "[image img_1] frame at 1.500 s"
    assert first[-1]["text"] == "task"
    assert json.loads(talk.messages[3]["content"]) == {
        "ok": True,
        "text": "seen",
        "images": ["img_2"],
    }
    assert json.loads(talk.messages[4]["content"]) == {"ok": False, "error": "no"}
    last = talk.messages[5]["content"]
    assert last[0]["text"] == "[image img_2] crop 0.1,0.25,0.5,1 at 1.250 s"
    assert last[-1]["text"] == FINAL_REQUEST
    assert list(talk.images) == ["img_0", "img_1", "img_2"]
    talk.add_refused(ChatReply("", ()), "again")
    assert [m["role"] for m in talk.messages[-2:]] == ["assistant", "user"]
    json.dumps(talk.messages)


def test_failed_calls_add_no_empty_user_message() -> None:
    talk = Conversation("sys", VIEW, "task", final=True)
    assert talk.messages[1]["content"][-1]["text"] == FINAL_REQUEST
    talk.add_results([("c1", False, "no", [])], final=False)
    assert talk.messages[-1]["role"] == "tool"


def answer(**values: object) -> FinalAnswer:
    base: dict[str, object] = {
        "error_types": ["spatial", "temporal", "spatial"],
        "guidance": "Look again.",
        "key_times_s": [1.0],
        "evidence": [],
    }
    return FinalAnswer.model_validate_json(json.dumps({**base, **values}))


IMAGES = {
    "img_0": picture(2.0, b"later"),
    "img_1": picture(1.0, b"sooner"),
    "img_2": picture(1.0, b"crop", (0.0, 0.0, 0.5, 0.5)),
    "img_3": picture(1.0, b"sooner"),
}


def test_cited_images_become_frames_in_order_of_time() -> None:
    draft = assemble(
        answer(evidence=["img_0", "img_1", "img_2", "img_3", "img_0"]),
        IMAGES,
        duration_s=3.0,
        max_frames=4,
        max_words=60,
    )
    frames = draft.patch.frames
    assert [(f.t_s, f.box) for f in frames] == [
        (1.0, None),
        (1.0, (0.0, 0.0, 0.5, 0.5)),
        (2.0, None),
    ]
    assert frames[1].label == "crop 0,0,0.5,0.5 at 1.000 s"
    assert draft.patch.error_types == ("spatial", "temporal")
    assert {hashlib.sha256(j).hexdigest() for j in draft.jpegs.values()} == set(draft.jpegs)
    assert {f.image_sha256 for f in frames} == set(draft.jpegs)
    assert draft.frames_dropped == 0


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_frames_are_capped(limit: int) -> None:
    draft = assemble(
        answer(evidence=["img_0", "img_1", "img_2"]),
        IMAGES,
        duration_s=3.0,
        max_frames=limit,
        max_words=60,
    )
    assert len(draft.patch.frames) == len(draft.jpegs) == limit
    assert draft.frames_dropped == 3 - limit


def test_times_just_past_the_end_are_the_end() -> None:
    draft = assemble(
        answer(key_times_s=[3.3, 1], spatial_regions=[{"t_s": 3.4}]),
        {},
        duration_s=3.0,
        max_frames=4,
        max_words=60,
    )
    assert draft.patch.key_times_s == (3.0, 1.0)
    assert draft.patch.spatial_regions[0].t_s == 3.0


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"guidance": "one two three"}, "3 words; at most 2"),
        ({"evidence": ["img_9"]}, "img_9.*not shown"),
        ({"key_times_s": [4.0]}, "key_times_s has 4.*past the end"),
        ({"spatial_regions": [{"t_s": 9.0}]}, "spatial_regions"),
    ],
)
def test_what_cannot_be_a_patch(values: dict[str, object], why: str) -> None:
    with pytest.raises(FinalAnswerError, match=why):
        assemble(answer(**values), IMAGES, duration_s=3.0, max_frames=4, max_words=2)
