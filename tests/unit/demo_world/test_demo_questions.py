"""Questions say when to look, their gold answers are scored right, responses parse."""

from __future__ import annotations

import pytest

from ffr.demo.layout import SPLITS, plan_video
from ffr.demo.questions import CHOICE_SHARE, question_about, wanted_response
from ffr.demo.vocabulary import asked_time_s
from rewards.accuracy import accuracy, gold_problem
from student.parse import parse_response

PAIRS = [
    (question_about(plan, item), item)
    for split in SPLITS
    for plan in (plan_video(3, split, number) for number in range(40))
    for item in plan.objects
]


def test_ids_are_unique_and_both_kinds_occur_in_their_share() -> None:
    questions = [question for question, _ in PAIRS]
    assert len({question.id for question in questions}) == len(questions)
    share = sum(q.answer_type == "choice" for q in questions) / len(questions)
    assert abs(share - CHOICE_SHARE) < 0.06  # three standard errors


def test_the_question_names_the_asked_time_and_nothing_of_the_answer() -> None:
    for question, item in PAIRS:
        assert asked_time_s(question.question) == item.asked_s
        assert item.colour not in question.question
        assert item.shape not in question.question


def test_answers_are_the_object() -> None:
    for question, item in PAIRS:
        wanted = item.shape if question.answer_type == "choice" else f"{item.colour} {item.shape}"
        assert question.answer_text == wanted
        assert question.family == item.family
        assert gold_problem(question) is None


@pytest.mark.parametrize("answer_type", ["choice", "text"])
def test_the_wanted_response_is_well_formed_and_scored_right(answer_type: str) -> None:
    for question, item in PAIRS:
        if question.answer_type != answer_type:
            continue
        parsed = parse_response(wanted_response(question, item))
        assert parsed.well_formed
        assert not parsed.problems
        assert parsed.keyframes_s == (item.asked_s,)
        assert accuracy(parsed.answer, question) == 1.0


def test_a_wrong_object_is_scored_wrong() -> None:
    first, second = PAIRS[0], next(
        pair for pair in PAIRS
        if pair[1].shape != PAIRS[0][1].shape and pair[0].answer_type == PAIRS[0][0].answer_type
    )
    parsed = parse_response(wanted_response(*second))
    assert accuracy(parsed.answer, first[0]) == 0.0
