"""Scoring one response: the same verdict wherever a response is judged."""

from __future__ import annotations

import pytest

from ffr.data.question import Question
from ffr.errors import UserError
from ffr.evaluate.score_item import read_response, score_answer, score_response
from rewards.tasks.response import benchmark_score


def question(kind: str, answer: str, options: tuple[str, ...] = ()) -> Question:
    return Question(
        id="q", video="v.mp4", question="?", answer_type=kind, answer=answer, options=options
    )


CHOICE = question("choice", "B", ("a cup", "a knife"))


@pytest.mark.parametrize(
    ("asked", "answer", "expected"),
    [  # accuracy, right, score, mra
        (CHOICE, "B", (1.0, True, 1.0, None)),
        (CHOICE, "a knife", (1.0, True, 1.0, None)),
        (CHOICE, "A", (0.0, False, 0.0, None)),
        (CHOICE, None, (0.0, False, 0.0, None)),
        (question("number", "100"), "100.0", (1.0, True, 1.0, 1.0)),
        (question("number", "100"), "90", (0.0, False, 0.0, 0.8)),
        (question("number", "100"), "nan", (0.0, False, 0.0, 0.0)),
        (question("number", "100"), "90%", (0.0, False, 0.0, 0.0)),
        (question("regression", "100"), "95", (0.95, True, 0.9, 0.9)),
        (question("regression", "100"), "60", (0.6, False, 0.2, 0.2)),
        (question("text", "red cross"), "A red cross.", (1.0, True, 1.0, None)),
        (question("ocr", "red cross"), "red box", (0.5, False, 0.5, None)),
    ],
)
def test_answers(asked, answer, expected):
    found = score_answer(asked, answer)
    assert (found.accuracy, found.right, found.score, found.mra) == pytest.approx(expected)
    if asked.answer_type == "regression":  # the one mean relative accuracy
        assert found.score == benchmark_score(answer, asked)


def test_a_response_is_read_by_the_one_parser():
    good = score_response(CHOICE, "<think>I see it.</think><answer>B</answer>")
    assert (good.answer, good.right, good.well_formed, good.problems) == ("B", True, True, ())
    bare = score_response(CHOICE, "B")
    assert (bare.answer, bare.right, bare.well_formed) == (None, False, False)
    assert "missing_answer" in bare.problems


def test_video_r2s_released_scorer_guesses_the_type_from_the_gold_answer():
    colour = question("text", "black")
    assert not score_answer(colour, "blue").right
    assert score_response(colour, "<answer>blue</answer>", scoring="video_r2_parity").right
    assert not score_response(colour, "blue", scoring="video_r2_parity").right


def test_parity_takes_the_first_tag_pair_and_the_released_scorers():
    text = "<answer>B</answer> or <answer>A</answer>"
    assert score_response(CHOICE, text).answer is None
    released = score_response(CHOICE, text, scoring="parity")
    assert (released.answer, released.right) == ("B", True)
    assert not score_response(CHOICE, "<answer>(B)</answer>", scoring="parity").right
    near = question("regression", "100")
    assert score_answer(near, "96").right
    assert not score_answer(near, "96", scoring="parity").right


@pytest.mark.parametrize(
    ("text", "answer", "well_formed", "problems"),
    [
        ("<answer>B</answer>", "B", True, ()),
        ("<think>\n\n</think>\n\n<answer>B</answer>", "B", True, ()),
        ("B\n", "B", False, ("untagged",)),
        ("  ", None, False, ("empty_answer",)),
        ("<think>It is sharp.</think><answer>B</answer>", "B", False, ("reasoned",)),
        ("It is sharp. <answer>B</answer>", "B", False, ("text_outside",)),
        ("<answer>A</answer><answer>B</answer>", None, False, ("repeated_answer",)),
        ("<think>B", None, False, ("unbalanced_tags", "missing_answer")),
        ("<answer>B", None, False, ("unbalanced_tags",)),
        ("x" * 200_001, None, False, ("too_long",)),
    ],
)
def test_responses_without_reasoning(text, answer, well_formed, problems):
    read = read_response(text, thinking=False)
    assert (read.answer, read.well_formed, read.problems) == (answer, well_formed, problems)
    assert score_response(CHOICE, text, thinking=False).right == (answer == "B")


def test_a_gold_answer_that_cannot_be_scored_is_an_error():
    with pytest.raises(UserError, match="not a number"):
        score_answer(question("number", "many"), "3")
