"""Worked examples 8.1 to 8.3, and the properties of the three measures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.rler import EvidenceConfig
from rewards.rler import (
    CitationScale,
    cited_frames,
    cited_times,
    frame_sensitive_score,
    repetition,
    transparency,
)
from student.time_axis import TimeAxis

SCALE = CitationScale(16)


@pytest.mark.parametrize(
    ("block", "units", "invalid", "score"),
    [
        ("3, 7, 12", {3, 7, 12}, 0, 0.75),
        ("3, 7, 40", {3, 7}, 1, 0.333333),
        ("0, 17", set(), 2, 0.0),
        ("5", {5}, 0, 0.5),
        ("5,5,5", {5}, 0, 0.5),
        ("frame 2, frame 9, abc", {2, 9}, 1, 0.333333),
        ("", set(), 0, 0.0),
        ("3-6", set(), 1, 0.0),
        ("[4; 9; 15]", {4, 9, 15}, 0, 0.75),
        ("1 2 3 99 100", {1, 2, 3}, 2, 0.25),
        (", ".join(map(str, range(1, 17))), set(range(1, 17)), 0, 0.941176),
        # beyond the table: full-width punctuation, signs, decimals, repeated bad entries
        ("3，7、12；", {3, 7, 12}, 0, 0.75),
        ("Frames #3 and #7.", {3, 7}, 0, 0.666667),
        ("+3, -3, 4.5, 40, 40", {3}, 4, 0.0),
    ],
)
def test_citations_by_number(block, units, invalid, score) -> None:
    found = cited_frames(block, SCALE)
    assert (found.units, found.invalid) == (units, invalid)
    assert frame_sensitive_score(len(units), invalid) == pytest.approx(score, abs=1e-6)


def test_the_cap_keeps_the_first_ones_cited_and_counts_the_rest_as_invalid() -> None:
    found = cited_frames("16, 1 2 3 4 5 6 7 8 9", SCALE, max_cited=8)
    assert found.units == {16, 1, 2, 3, 4, 5, 6, 7}
    assert found.invalid == 2
    assert frame_sensitive_score(8, 2) == pytest.approx(6 / 9, abs=1e-6)


def test_the_index_base_moves_the_range() -> None:
    found = cited_frames("0, 15, 16", CitationScale(16, base=0))
    assert (found.units, found.invalid) == ({0, 15}, 1)


@pytest.mark.parametrize(
    ("valid", "score"), [(1, 0.5), (2, 0.6667), (3, 0.75), (4, 0.8), (8, 0.8889), (16, 0.9412)]
)
def test_frame_sensitive_without_invalid_entries(valid, score) -> None:
    assert frame_sensitive_score(valid, 0) == pytest.approx(score, abs=5e-5)


@given(valid=st.integers(0, 200), invalid=st.integers(0, 200))
def test_frame_sensitive_is_monotonic_and_bounded(valid, invalid) -> None:
    score = frame_sensitive_score(valid, invalid)
    assert 0.0 <= score < 1.0
    assert frame_sensitive_score(valid + 1, invalid) >= score
    assert frame_sensitive_score(valid, invalid + 1) <= score
    if invalid >= valid:
        assert score == 0.0


@given(text=st.text(max_size=80), count=st.integers(0, 30), cap=st.none() | st.integers(1, 9))
def test_no_text_breaks_the_citations(text, count, cap) -> None:
    found = cited_frames(text, CitationScale(count), cap)
    assert all(1 <= unit <= count for unit in found.units)
    assert cap is None or len(found.units) <= cap


AXIS = TimeAxis(tuple(i + 0.5 for i in range(8)), 10.0, 8.0)


def test_times_name_the_nearest_group_of_merged_frames() -> None:
    scale = CitationScale.of_axis(AXIS, EvidenceConfig(citation="times"))
    assert scale.times_s == (1.0, 3.0, 5.0, 7.0)
    found = cited_times((5.0, 5.4, 0.0, 8.0, 8.2, 2.0), scale, unreadable=1)
    assert found.units == {3, 1, 4}  # 2.0 lies between two: the earlier, 1
    assert found.invalid == 2  # 8.2 is past the end, one entry was unreadable
    assert [scale.time_of(unit) for unit in (1, 4)] == [1.0, 7.0]


def test_frames_are_the_units_where_numbers_are_cited() -> None:
    scale = CitationScale.of_axis(AXIS, EvidenceConfig())
    assert (scale.count, scale.time_of(3)) == (8, 2.5)


@given(t=st.floats(allow_nan=True, allow_infinity=True))
def test_a_time_names_a_unit_exactly_inside_the_video(t) -> None:
    scale = CitationScale.of_axis(AXIS, EvidenceConfig(citation="times"))
    unit = scale.unit_at(t)
    assert (unit is not None) == (0 <= t <= 8.05)
    if unit is not None:
        assert abs(scale.time_of(unit) - t) <= min(abs(x - t) for x in scale.times_s)


@pytest.mark.parametrize(
    ("length", "value"),
    [
        (0, 0), (60, 0.059039), (96, 0.146447), (192, 0.5), (288, 0.853553), (384, 1),
        (480, 0.853553), (576, 0.5), (672, 0.146447), (768, 0), (1000, 0),
    ],
)  # fmt: skip
def test_transparency(length, value) -> None:
    assert transparency(length) == pytest.approx(value, abs=1e-6)


@given(length=st.integers(0, 384))
def test_transparency_is_a_symmetric_hump(length) -> None:
    assert transparency(length) == pytest.approx(transparency(768 - length), abs=1e-9)
    if length:
        assert transparency(length - 1) < transparency(length)
        assert transparency(768 - length + 1) < transparency(768 - length)


def test_transparency_refuses_an_empty_range() -> None:
    with pytest.raises(ValueError, match="below"):
        transparency(3, 5, 5)
    with pytest.raises(ValueError, match="must be below"):
        EvidenceConfig(length_low=10, length_high=10)


@pytest.mark.parametrize(
    ("text", "words", "value"),
    [
        ("the cat sat on the mat the cat sat", 9, 0.142857),
        ("a a a a a", 5, 0.666667),
        ("hello world", 2, 0),
        ("", 0, 0),
        ("Wait. Let me re-evaluate. Wait. Let me re-evaluate.", 8, 0.333333),
        ("frame three shows a red car then frame nine shows the same red car", 14, 0),
    ],
)
def test_repetition(text, words, value) -> None:
    assert len(text.split()) == words
    assert repetition(text) == pytest.approx(value, abs=1e-6)


@given(words=st.lists(st.sampled_from("abc"), max_size=30), n=st.integers(1, 5))
def test_repetition_is_bounded_and_never_falls_by_saying_it_again(words, n) -> None:
    text = " ".join(words)
    assert 0.0 <= repetition(text, n) < 1.0
    if len(words) >= n:
        assert repetition(f"{text} {text}", n) >= repetition(text, n) - 1e-12
