"""Task rewards of whole responses: spec video_r2 §10.5, §10.12, errata rulings 2, 3, 4, 11, 13."""

from __future__ import annotations

import pytest

from ffr.data.question import AnswerType, Question
from ffr.errors import UserError
from rewards.tasks.inferred_parity import released_type, released_video_r2_accuracy
from rewards.tasks.response import benchmark_score, task_reward
from rewards.tasks.types import answer_type, inferred_type

LETTERS = ("red kite", "blue car", "green door", "dog", "van")


def tagged(answer: str) -> str:
    return f"<think>t</think><answer>{answer}</answer>"


def ask(kind: str, gold: str) -> Question:
    declared = answer_type(kind)
    return Question(
        id="q", video="v.mp4", question="?", answer=gold, answer_type=declared,
        options=LETTERS if declared == "choice" else (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gold", "said", "kind", "score"),
    [
        ("B", "B", "choice", 1),
        ("B", "B. blue car", "choice", 1),
        ("B", "(B)", "choice", 0),
        ("B", "The answer is B", "choice", 0),
        ("B", "Because", "choice", 1),
        ("blue", "black", "choice", 1),
        ("dog", "dinosaur", "choice", 1),
        ("Eight", "E", "choice", 1),
        ("F", "F", "ocr", 1),
        ("7", "7.0", "number", 0),
        ("1,000", "1000", "number", 0),
        ("3.14", "3.141", "number", 1),
        ("3.14", "3.15", "number", 0),
        ("2.3456", "2.3000", "regression", 0.98056),
        ("STOP SIGN", "STOP SIGNS", "ocr", 0.5),
        ("yes", "Yes", "ocr", 0),
        ("12%", "12%", "free_form", 0.6667),
        ("The man opens the door, then leaves.", "The man opens the door and leaves.",
         "free_form", 0.79365),
    ],
)  # fmt: skip
def test_released_video_r2_rows(gold: str, said: str, kind: str, score: float) -> None:
    assert released_type(gold) == kind
    found = released_video_r2_accuracy(tagged(said), f"<answer>{gold}</answer>")
    assert found == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "gold", "said", "parity", "default"),
    [
        ("multiple choice", "B", "B.", 0, 1),
        ("multiple choice", "B", "b", 0, 1),
        ("multiple choice", "B", "(B)", 0, 1),
        ("multiple choice", "B", "Because", 0, 0),
        ("numerical", "42", "42.0", 0, 1),
        ("numerical", "1,000", "1,000", 1, 1),
        ("numerical", "1,000", "1000", 0, 1),
        ("numerical", "3.14", "3.144", 1, 0),
        ("numerical", "3.14", "3.146", 0, 0),
        ("OCR", "the quick brown fox", "the quick fox", 0.75, 0.75),
        ("OCR", "the quick brown fox", "The quick brown fox", 0.75, 1),
        ("OCR", "HELLO WORLD", "hello there big world", 0, 0),
        ("free-form", "The man opens the door and then leaves the room",
         "The man opened the door and left the room", 0.796698, 0.796698),
        ("free-form", "yes", "yes", 0.6667, 1),
        ("regression", "10", "9", 0.9, 0.9),
        ("regression", "10", "25", 0, 0),
        ("regression", "2.5", "2.4", 0.96, 0.96),
        ("regression", "0", "0", 0, 1),
        ("regression", "10", "nan", 0, 0),
    ],
)  # fmt: skip
def test_video_r1_rows_by_declared_type(
    kind: str, gold: str, said: str, parity: float, default: float
) -> None:
    question = ask(kind, gold)
    assert task_reward(tagged(said), question, "parity") == pytest.approx(parity, abs=1e-4)
    assert task_reward(tagged(said), question) == pytest.approx(default, abs=1e-4)


def test_parity_takes_the_first_answer_and_default_the_only_one() -> None:
    question = ask("multiple choice", "B")
    doubled = "<answer>B</answer><think>t</think><answer>C</answer>"
    assert task_reward(doubled, question, "parity") == 1.0
    assert task_reward(doubled, question) == 0.0
    assert task_reward("B", question, "parity") == 0.0


@pytest.mark.parametrize(
    ("said", "gold", "score"),
    [("95", "100", 0.9), ("90", "100", 0.8), ("88", "100", 0.8), ("60", "100", 0.2),
     ("3", "4", 0.5), ("0", "0", 1.0), ("1", "0", 0.0), ("5%", "5", 0.0), ("nan", "5", 0.0)],
)  # fmt: skip
def test_evaluation_of_regression_is_the_one_mra(said: str, gold: str, score: float) -> None:
    assert benchmark_score(said, ask("regression", gold)) == pytest.approx(score)


def test_evaluation_of_other_types_is_the_accuracy() -> None:
    assert benchmark_score("(b)", ask("multiple choice", "B")) == 1.0
    assert benchmark_score(None, ask("regression", "5")) == 0.0


@pytest.mark.parametrize(
    ("gold", "options", "kind"),
    [("B", ("x", "y"), "choice"), ("12", (), "number"), ("-.5", (), "number"),
     ("1,000", (), "number"), ("blue", (), "text"), ("A cat", (), "text"), ("nan", (), "text")],
)  # fmt: skip
def test_a_type_is_inferred_only_from_options_and_numbers(
    gold: str, options: tuple[str, ...], kind: AnswerType
) -> None:
    assert inferred_type(gold, options) == kind


def test_unknown_types_are_named() -> None:
    assert answer_type(" OCR ") == "ocr"
    with pytest.raises(UserError, match="'essay' is unknown"):
        answer_type("essay")
