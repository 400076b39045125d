"""Request keys: what changes them and what must not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ffr.data.question import Question
from ffr.patches.keys import KeyMaker, canonical_hash, normalise

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


@pytest.mark.parametrize("said", ["(B)", "B) square", "square", "Option B", "**B**", "Square."])
def test_a_choice_is_its_letter_however_it_is_said(said: str) -> None:
    assert MAKER.key("v", QUESTION, said) == MAKER.key("v", QUESTION, "B")


def test_an_open_answer_is_not_taken_for_a_letter() -> None:
    open_question = QUESTION.model_copy(
        update={"options": (), "answer_type": "text", "answer": "circle"}
    )
    assert MAKER.key("v", open_question, "Option B") != MAKER.key("v", open_question, "B")


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
