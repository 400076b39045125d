"""Request keys: what changes them and what must not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ffr.data.question import Question
from ffr.patches.keys import KeyMaker, canonical_hash, normalise, video_content_id

MAKER = KeyMaker("m", "p" * 64, {"clip": "1", "zoom": "2"}, True, {"frames": 4, "words": 60})
QUESTION = Question(
    id="q1",
    video="a.mp4",
    question="Which shape appears?",
    options=("circle", "square"),
    answer_type="choice",
    answer="A",
)


def test_equal_meaning_gives_equal_keys() -> None:
    key = MAKER.key("v", QUESTION, "B")
    assert len(key) == 64
    assert key == MAKER.key("v", QUESTION, " b. ")
    spaced = QUESTION.model_copy(update={"question": "which  shape appears", "video": "moved.mp4"})
    assert key == MAKER.key("v", spaced, "B")
    assert key == replace(MAKER, tool_hashes={"zoom": "2", "clip": "1"}).key("v", QUESTION, "B")


@pytest.mark.parametrize(
    "other",
    [
        MAKER.key("w", QUESTION, "B"),
        MAKER.key("v", QUESTION, "A"),
        MAKER.key("v", QUESTION, None),
        MAKER.key("v", QUESTION.model_copy(update={"id": "q2"}), "B"),
        MAKER.key("v", QUESTION.model_copy(update={"options": ("circle", "cross")}), "B"),
        MAKER.key("v", QUESTION.model_copy(update={"answer": "B"}), "B"),
        replace(MAKER, teacher_model="n").key("v", QUESTION, "B"),
        replace(MAKER, prompt_hash="q").key("v", QUESTION, "B"),
        replace(MAKER, tool_hashes={"clip": "1"}).key("v", QUESTION, "B"),
        replace(MAKER, see_gt=False).key("v", QUESTION, "B"),
        replace(MAKER, patch_budget={"frames": 2, "words": 60}).key("v", QUESTION, "B"),
    ],
)
def test_every_ingredient_changes_the_key(other: str) -> None:
    assert other != MAKER.key("v", QUESTION, "B")


def test_no_answer_differs_from_the_word_none() -> None:
    assert MAKER.key("v", QUESTION, None) != MAKER.key("v", QUESTION, "None")
    assert MAKER.key("v", QUESTION, None) != MAKER.key("v", QUESTION, "")


def test_canonical_hash_refuses_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_hash({"x": float("nan")})


def test_normalise_folds_width_and_case() -> None:
    assert normalise(" (Ｂ). ") == "b"
    assert normalise("A  red\tCircle!") == "a red circle"


def test_video_id_follows_content_not_name(tmp_path: Path) -> None:
    first, second, other = (tmp_path / n for n in ("a.mp4", "b.mp4", "c.mp4"))
    first.write_bytes(b"x" * 1000)
    second.write_bytes(b"x" * 1000)
    other.write_bytes(b"x" * 999 + b"y")
    assert video_content_id(first) == video_content_id(second) != video_content_id(other)
    before = video_content_id(first)
    first.write_bytes(b"z" * 1000)
    os.utime(first, ns=(1, 1))
    assert video_content_id(first) != before


def test_long_videos_are_sampled_at_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"

    def with_byte(offset: int, mtime_ns: int) -> str:
        with path.open("wb") as file:
            file.truncate(40 << 20)
            file.seek(offset)
            file.write(b"!")
        os.utime(path, ns=(mtime_ns, mtime_ns))
        return video_content_id(path)

    ids = {with_byte(0, 1), with_byte((40 << 20) - 1, 2), with_byte(20 << 20, 3)}
    assert len(ids) >= 2
    assert with_byte(0, 4) in ids
