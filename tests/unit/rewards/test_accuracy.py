"""Default scorers: errata rulings 2-4 and the defects of video_r2 §10.5 mended."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.data.question import AnswerType, Question
from ffr.errors import UserError
from rewards.accuracy import RIGHT_FROM, accuracy, gold_problem, is_right

OPTIONS = ("red kite", "blue car", "A cat", "dog")


def ask(answer_type: AnswerType, answer: str) -> Question:
    options = OPTIONS if answer_type == "choice" else ()
    return Question(
        id="q1", video="v.mp4", question="what?", options=options, answer_type=answer_type,
        answer=answer,
    )


@pytest.mark.parametrize(
    ("answer_type", "gold", "said", "score"),
    [
        ("choice", "B", "B", 1.0),
        ("choice", "B", "(b)", 1.0),
        ("choice", "B", "**B**", 1.0),
        ("choice", "B", "B. blue car", 1.0),
        ("choice", "B", "blue car", 1.0),
        ("choice", "B", "Because", 0.0),
        ("choice", "B", "C", 0.0),
        ("choice", "B", "F", 0.0),
        ("choice", "C", "A cat", 1.0),
        ("choice", "A", "A cat", 0.0),
        ("number", "42", "42.0", 1.0),
        ("number", "1,000", "1000", 1.0),
        ("number", "5", "5.0", 1.0),
        ("number", "3.14", "3.141", 0.0),
        ("number", "12%", "12%", 1.0),
        ("number", "12%", "12", 0.0),
        ("number", "7", "seven", 0.0),
        ("number", "7", "nan", 0.0),
        ("regression", "10", "9", 0.9),
        ("regression", "10", "25", 0.0),
        ("regression", "2.5", "2.4", 0.96),
        ("regression", "0", "0", 1.0),
        ("regression", "0", "0.1", 0.0),
        ("regression", "-4", "-3", 0.75),
        ("regression", "4", "nan", 0.0),
        ("regression", "4", "inf", 0.0),
        ("regression", "4", "1e999", 0.0),
        ("span", "2 to 6", "from 4 s to 8 s", 1 / 3),
        ("span", "2 to 6", "[2, 6]", 1.0),
        ("span", "2 to 6", "6 to 2", 0.0),
        ("span", "2 to 6", "around 2 to 6", 0.0),
        ("text", "orange cross", "Orange  Cross.", 1.0),
        ("text", "orange cross", "an orange cross", 1.0),
        ("text", "orange cross", "orange circle", 0.0),
        ("ocr", "STOP SIGN", "STOP SIGNS", 0.5),
        ("ocr", "yes", "Yes", 1.0),
        ("ocr", "the quick brown fox", "The quick brown fox", 1.0),
        ("ocr", "the quick brown fox", "the quick fox", 0.75),
        ("ocr", "HELLO WORLD", "hello there big world", 0.0),
        ("free_form", "yes", "Yes", 1.0),
        (
            "free_form",
            "The man opens the door and then leaves the room",
            "The man opened the door and left the room",
            0.796698,
        ),
    ],
)
def test_worked_examples(answer_type: AnswerType, gold: str, said: str, score: float) -> None:
    assert accuracy(said, ask(answer_type, gold)) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("answer_type", sorted(RIGHT_FROM))
@pytest.mark.parametrize("mode", ["default", "parity"])
def test_no_answer_scores_zero(answer_type: AnswerType, mode: str) -> None:
    gold = {"choice": "A", "number": "1", "regression": "1", "span": "1 to 2"}.get(
        answer_type, "word"
    )
    question = ask(answer_type, gold)
    assert accuracy(None, question, mode) == 0.0  # type: ignore[arg-type]
    assert accuracy("  \n", question, mode) == 0.0  # type: ignore[arg-type]


@given(said=st.text(max_size=40), answer_type=st.sampled_from(sorted(RIGHT_FROM)))
def test_any_text_scores_within_bounds(said: str, answer_type: AnswerType) -> None:
    gold = {"choice": "A", "number": "12%", "regression": "-3.5", "span": "1 to 2"}.get(
        answer_type, "two words"
    )
    for mode in ("default", "parity"):
        score = accuracy(said, ask(answer_type, gold), mode)
        assert math.isfinite(score)
        assert 0.0 <= score <= 1.0


def test_thresholds_of_partial_credit_types() -> None:
    assert is_right(1.0, "choice")
    assert not is_right(0.999, "number")
    assert is_right(0.9, "ocr")
    assert not is_right(0.89, "free_form")
    assert is_right(0.95, "regression")
    assert not is_right(0.94, "regression")
    assert not is_right(0.95, "regression", "parity")
    assert [is_right(0.5, "span", mode) for mode in ("default", "parity")] == [True, True]
    assert not is_right(0.49, "span")
    assert is_right(1.0, "ocr", "parity")


def test_ten_words_with_one_missed_are_right_despite_rounding() -> None:
    gold = "one two three four five six seven eight nine ten"
    assert is_right(accuracy(gold.removesuffix(" ten"), ask("ocr", gold)), "ocr")


@pytest.mark.parametrize(
    ("answer_type", "gold", "word"),
    [("number", "about 5", "not a number"), ("regression", "nan", "not a number"),
     ("span", "6 to 2", "not a stretch of time"), ("span", "soon", "such as '3.2 to 7.5'"),
     ("free_form", "停车", "ROUGE"), ("text", " ", "blank"), ("ocr", " ", "blank")],
)
def test_gold_that_cannot_be_scored_is_named(answer_type: AnswerType, gold: str, word: str) -> None:
    question = ask(answer_type, gold)
    problem = gold_problem(question)
    assert problem is not None
    assert word in problem
    if answer_type != "text":
        with pytest.raises(UserError, match="q1"):
            accuracy("5", question)


def test_good_gold_has_no_problem() -> None:
    for answer_type, gold in (("choice", "B"), ("number", "1,000"), ("free_form", "a man")):
        assert gold_problem(ask(answer_type, gold)) is None
