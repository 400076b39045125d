"""Temporal IoU: the measure, the released reward, and how stretches are read."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.data.question import Question
from ffr.elect.answers import AnswerReader
from ffr.teacher.leakage.gold import gold_of
from rewards.rir import guard_applies
from rewards.temporal_iou import released_iou, temporal_iou
from rewards.video_r2.agreement import same_conclusion
from student.time_span import format_span, parse_span

ASKED = Question(id="q", video="v.mp4", question="When does she wave?", answer_type="span",
                 answer="20.8 to 30")  # fmt: skip


@pytest.mark.parametrize(
    ("one", "two", "iou"),
    [((0, 10), (0, 10), 1.0), ((0, 10), (5, 15), 1 / 3), ((0, 10), (2, 4), 0.2),
     ((0, 10), (10, 20), 0.0), ((0, 10), (30, 40), 0.0), ((10, 0), (0, 10), 0.0),
     ((5, 5), (5, 5), 0.0), ((6.9, 20.8), (0.0, 30.0), 13.9 / 30)],
)  # fmt: skip
def test_worked_examples(one, two, iou):
    assert temporal_iou(one, two) == pytest.approx(iou, abs=1e-12)
    assert temporal_iou(two, one) == temporal_iou(one, two)


times = st.floats(0, 1e7, allow_nan=False)


@given(one=st.tuples(times, times), two=st.tuples(times, times))
def test_it_stays_in_bounds_and_agrees_with_the_released_formula(one, two):
    iou = temporal_iou(one, two)
    assert math.isfinite(iou)
    assert 0.0 <= iou <= 1.0
    if one[0] < one[1] and two[0] < two[1]:
        hull = max(one[1], two[1]) - min(one[0], two[0])
        overlap = max(0.0, min(one[1], two[1]) - max(one[0], two[0]))
        assert iou == pytest.approx(overlap / hull, abs=1e-9)


@pytest.mark.parametrize(
    ("answer", "iou"),
    [("The event happens from 2.0 to 6.0.", 1.0), ("2 and 4", 0.5), ("9 to 12; 2 TO 6", 1.0),
     ("6 to 2", 0.0), ("2-6", 0.0), ("2 s to 6 s", 0.0), ("2  to 6", 0.0), ("", 0.0)],
)  # fmt: skip
def test_the_released_reading_takes_the_last_pair_wherever_it_stands(answer, iou):
    assert released_iou(answer, (2.0, 6.0)) == pytest.approx(iou)


@pytest.mark.parametrize(
    ("text", "span"),
    [("3.2 to 7.5", (3.2, 7.5)), (" From 3.2 s to 7.5 seconds. ", (3.2, 7.5)),
     ("[3.2, 7.5]", (3.2, 7.5)), ("**3-7**", (3.0, 7.0)), ("3\u20137 s", (3.0, 7.0)),
     ("between 3 and 7", (3.0, 7.0)), ("00:03 - 01:07.5", (3.0, 67.5)),
     ("1:00:00 until 1:00:01", (3600.0, 3601.0)), (".5 to 1", (0.5, 1.0)),
     ("7 to 3", None), ("3 to 3", None), ("3", None), ("-3 to 7", None), ("nan to inf", None),
     ("1e9 to 2e9", None), ("she waves from 3 to 7", None), ("3 to 7 to 9", None),
     ("3 " * 200 + "to 7", None)],
)  # fmt: skip
def test_only_a_whole_answer_is_a_stretch(text, span):
    assert parse_span(text) == span


@given(start=st.integers(0, 10**8), length=st.integers(1, 10**8))
def test_what_is_written_is_read_back(start, length):
    span = (start / 100, (start + length) / 100)
    assert parse_span(format_span(*span)) == pytest.approx(span, rel=1e-9)


@given(text=st.text(max_size=300))
def test_no_text_makes_the_reader_raise(text):
    span = parse_span(text)
    assert span is None or 0 <= span[0] < span[1] < math.inf


def test_votes_agree_on_whole_seconds():
    reader = AnswerReader("span")
    assert reader.read("20.8 to 30.4") == reader.read("[21, 30]") == ("21 to 30", None)
    assert reader.read("soon") is None


def test_both_ends_are_what_a_patch_must_not_state():
    assert gold_of(ASKED).times_s == (20.8, 30.0)


def test_partial_credit_is_guarded_and_conclusions_are_compared_as_stretches():
    assert guard_applies("partial_credit", "span")
    assert same_conclusion("20.80 s to 30 s", "20.8 to 30", ASKED) is True
    assert same_conclusion("20 to 30", "20.8 to 30", ASKED) is False
    assert same_conclusion("late", "20.8 to 30", ASKED) is None
