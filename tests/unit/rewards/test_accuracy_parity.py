"""Released scorers, bug for bug: the rows of video_r2 §10.5 (Video-R1 part) and §10.6."""

from __future__ import annotations

import pytest

from ffr.data.question import AnswerType, Question
from rewards.accuracy import accuracy
from rewards.accuracy_parity import first_answer, parity_format
from rewards.format import format_reward


def ask(answer_type: AnswerType, answer: str) -> Question:
    options = ("one", "two", "three") if answer_type == "choice" else ()
    return Question(
        id="q1", video="v.mp4", question="what?", options=options, answer_type=answer_type,
        answer=answer,
    )


@pytest.mark.parametrize(
    ("answer_type", "gold", "said", "score"),
    [
        ("choice", "B", "B", 1.0),
        ("choice", "B", "B.", 0.0),
        ("choice", "B", "b", 0.0),
        ("number", "42", "42.0", 0.0),
        ("number", "1,000", "1,000", 1.0),
        ("number", "3.14", "3.144", 1.0),
        ("number", "3.14", "3.146", 0.0),
        ("number", "3.14", "many", 0.0),
        ("ocr", "the quick brown fox", "the quick fox", 0.75),
        ("ocr", "the quick brown fox", "The quick brown fox", 0.75),
        ("ocr", "HELLO WORLD", "hello there big world", 0.0),
        ("free_form", "yes", "yes", 0.6667),
        (
            "free_form",
            "The man opens the door and then leaves the room",
            "The man opened the door and left the room",
            0.796698,
        ),
        ("regression", "10", "9", 0.9),
        ("regression", "10", "25", 0.0),
        ("regression", "2.5", "2.4", 0.96),
        ("regression", "0", "0", 0.0),
        ("regression", "10", "nan", 0.0),
        ("span", "2 to 6", "It is 4.0 to 8.0, or 2 and 4", 0.5),
        ("span", "2 to 6", "4-8", 0.0),
        ("text", "orange cross", "orange cross", 1.0),
        ("text", "orange cross", "Orange cross", 0.0),
    ],
)
def test_released_scores(answer_type: AnswerType, gold: str, said: str, score: float) -> None:
    assert accuracy(said, ask(answer_type, gold), "parity") == pytest.approx(score, abs=1e-4)


def test_first_answer_tag_anywhere_wins() -> None:
    assert first_answer("<answer> A </answer><think>x</think><answer>B</answer>") == "A"
    assert first_answer("<answer>\nB\n</answer>") == "B"
    assert first_answer("no tags") == ""


@pytest.mark.parametrize(
    ("response", "score"),
    [
        ("<think>a</think>\n<answer>b</answer>", 1.0),
        (" <think>a</think>\n<answer>b</answer>", 0.0),
        ("<think>a</think>\n<answer>b</answer>\n", 0.0),
        ("<think>a</think> so <answer>b</answer>", 0.0),
        ("<think></think><answer></answer>", 1.0),
        ("<think>a</think><answer>b</answer><answer>c</answer>", 1.0),
        ("<think>a</think><think>b</think><answer>c</answer>", 1.0),
        ("<answer>b</answer>", 0.0),
    ],
)
def test_released_format(response: str, score: float) -> None:
    assert parity_format(response) == score
    assert format_reward(response, "parity") == score


def test_default_format_allows_outer_space_but_no_second_block() -> None:
    assert format_reward(" <think>a</think>\n<answer>b</answer>\n") == 1.0
    assert format_reward("<think>a</think><answer>b</answer><answer>c</answer>") == 0.0
    assert format_reward("<think>a</think><answer></answer>") == 0.0
