"""VAS-C: what counts as a change, and what the changes add up to (spec video_r2 §4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from ffr.data.question import AnswerType, Question
from rewards.video_r2.vas_counterfactual import (
    CounterfactualRow,
    counterfactual_report,
    counterfactual_row,
    macro_reliance,
)
from student.parse import parse_response


def question(kind: AnswerType = "choice", gold: str = "B") -> Question:
    options = ("a red kite", "a blue car", "a dog") if kind == "choice" else ()
    return Question(id="q", video="v.mp4", question="What?", options=options, answer_type=kind,
                    answer=gold)  # fmt: skip


def row(
    before: str, after: str, about: Question | None = None, **more: Any
) -> CounterfactualRow:
    return counterfactual_row(
        about or question(), parse_response(before), parse_response(after), **more
    )


def said(answer: str, think: str = "I look.") -> str:
    return f"<think>{think}</think><answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("kind", "gold", "before", "after", "changed"),
    [
        ("choice", "B", "B", "(b)", False),
        ("choice", "B", "B", "a blue car", False),
        ("choice", "B", "B", "A", True),
        ("choice", "B", "B", "Z", True),
        ("choice", "B", "Z", "Z", False),
        ("number", "5", "5", "5.0", False),
        ("number", "5", "5", "6", True),
        ("text", "dog", "the dog", "Dog.", False),
        ("text", "dog", "a dog", "a cat", True),
        ("free_form", "A man runs.", "A man runs.", "A man runs.", False),
        ("free_form", "A man runs.", "A man runs.", "A man is running.", True),
    ],
)
def test_answers_change_by_meaning(
    kind: AnswerType, gold: str, before: str, after: str, changed: bool
) -> None:
    found = row(said(before), said(after), question(kind, gold))
    assert (found.answer_changed, found.changed) == (changed, changed)


def test_an_answer_can_be_lost_but_not_found() -> None:
    assert row(said("B"), "no tags").changed is True
    lost = row("no tags", said("B"))
    assert (lost.answer_changed, lost.changed, lost.times_changed) == (None, None, None)
    assert lost.accuracy_drop == -1.0


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("At 00:05 it rises.", "At 00:06 a kite goes up.", False),
        ("At 00:05 it rises.", "At 00:08 it rises.", True),
        ("At 00:05 it rises.", "It rises.", True),
        ("It rises.", "It rises at 00:05.", True),
        ("It rises.", "I see nothing.", False),
        # One time cannot stand for two; the order they are told in does not count.
        ("At 00:05 and 00:06.", "At 00:05.", True),
        ("At 00:05, then at 00:30.", "At 00:30 and before at 00:05.", False),
        ("At 00:05, at 00:05 again.", "At 00:05.", False),
        ("From 00:10 to 00:14 she runs.", "From 00:12 to 00:20 she runs.", False),
        ("<keyframes>5.0</keyframes>", "<keyframes>9.0</keyframes>", True),
    ],
)
def test_cited_times_change_by_more_than_the_tolerance(
    before: str, after: str, changed: bool
) -> None:
    found = row(said("B", before), said("B", after))
    assert (found.times_changed, found.changed) == (changed, changed)
    assert found.answer_changed is False
    assert row(said("B", before), said("B", before)).changed is False


def test_drops_are_with_the_video_minus_without() -> None:
    found = row(said("B"), said("A"), tars=(0.75, 0.25), log_probs=((-0.5, -1.5), (-1.0, -4.0)))
    assert (found.accuracy_drop, found.tar_drop, found.log_prob_drop) == (1.0, 0.5, 1.5)
    gained = row(said("A"), said("B"), tars=(None, 0.25))
    assert (gained.accuracy_drop, gained.tar_drop, gained.log_prob_drop) == (-1.0, None, None)
    with pytest.raises(ValueError, match="2 and 1 tokens"):
        row(said("B"), said("A"), log_probs=((-1.0, -1.0), (-1.0,)))


def test_report() -> None:
    rows = [
        row(said("B"), said("A"), tars=(1.0, 0.0), log_probs=((-1.0,), (-3.0,))),
        row(said("B"), said("B")),
        row(said("B", "At 00:05."), said("B", "At 00:50."), tars=(1.0, 0.5)),
        row("no tags", said("B")),
    ]
    found = counterfactual_report(rows)
    assert found.counts == {"n": 4, "no_answer": 1}
    assert found.reliance.value == pytest.approx(200 / 3)
    assert found.answer_changed.value == pytest.approx(100 / 3)
    assert found.times_changed.value == pytest.approx(100 / 3)
    assert found.accuracy_drop.value == pytest.approx(0.0)  # one lost, one found
    assert found.tar_drop.value == pytest.approx(75.0)
    assert found.log_prob_drop.value == pytest.approx(2.0)
    assert found.reliance.low is not None
    assert found.reliance.low <= 200 / 3
    by_video = counterfactual_report(rows, clusters=["a", "a", "b", "b"])
    assert by_video.reliance.value == found.reliance.value
    assert by_video.tar_drop.value == found.tar_drop.value
    one_video = counterfactual_report(rows, clusters=["a"] * 4)
    assert one_video.reliance.low == one_video.reliance.high
    macro = macro_reliance({"a": rows[:1], "b": rows[1:2], "c": rows[3:]})
    assert (macro.value, macro.n_unavailable) == (50.0, 1)


def test_nothing_is_not_zero() -> None:
    found = counterfactual_report([])
    assert [getattr(found, name).value for name in (
        "reliance", "answer_changed", "times_changed", "accuracy_drop", "tar_drop",
        "log_prob_drop")] == [None] * 6  # fmt: skip
    assert counterfactual_report([row("no tags", "no tags")]).reliance.value is None
