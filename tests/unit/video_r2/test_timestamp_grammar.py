"""Free text to times: every row of spec video_r2 §10.2, errata ruling 8, clauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.video_r2.clauses import compress_clause
from rewards.video_r2.timestamps import extract_times


def spans(text: str) -> list[tuple[float, float]]:
    return [(m.start_s, m.end_s) for m in extract_times(text).mentions]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("At around 01:45, the sign appears.", [(105, 105)]),
        ("From 00:10 to 00:14 she runs.", [(10, 14)]),
        ("Between 1:05 and 1:09 he waves.", [(65, 69)]),
        ("At 0:05 and 0:09 it blinks.", [(5, 5), (9, 9)]),
        ("around the 16-second mark", [(16, 16)]),
        ("at 3.5 seconds", [(3.5, 3.5)]),
        ("from 12 to 15 seconds", [(12, 15)]),
        ("at 00:01:02.5 the car stops", [(62.5, 62.5)]),
        ("00:00:30–00:00:45 intro", [(30, 45)]),
        ("90:00 in the lecture", [(5400, 5400)]),
        ("the score is 2:1", []),
        ("it is 3:30 pm on the clock", []),
        ("59:60 invalid", []),
        ("23,666 transactions/sec", []),
        ("frame 42 shows", []),
    ],
)
def test_worked_examples(text: str, wanted: list[tuple[float, float]]) -> None:
    assert spans(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12-15 s", [(12, 15)]),
        ("at 1 min 5 s he stops", [(65, 65)]),
        ("at 2 minutes and 3.5 seconds", [(123.5, 123.5)]),
        ("from 1 min 5 s to 1 min 9 s", [(65, 69)]),
        ("between 5 and 9 seconds", [(5, 9)]),
        ("at 5 and 9 seconds", [(9, 9)]),
        ("00:14-00:10", [(10, 14)]),
        ("15 to 12 seconds", [(12, 15)]),
        ("00:10 until about 00:14", [(10, 14)]),
        ("00:10 through 00:14", [(10, 14)]),
        ("00:10 — 00:14", [(10, 14)]),
        ("at 5 s.", [(5, 5)]),
        ("5 seconds into the video", [(5, 5)]),
        ("at 1,200 seconds", [(1200, 1200)]),
        ("00:05: she runs", [(5, 5)]),
        ("in 10 seconds", []),
        ("for about 10 seconds", []),
        ("after 00:14 he leaves", []),
        ("within the next 5 secs", []),
        ("it lasts 12 to 15 seconds", []),
        ("the clip lasts 00:30", []),
        ("for the 16-second mark", [(16, 16)]),
        ("a 10-second clip", []),
        ("5 seconds later", []),
        ("at 3:30 p.m. sharp", []),
        ("3:30 to 4:30 a.m.", []),
        ("at 3:30am", []),
        ("at 0:05 a man sits", [(5, 5)]),
        ("the 1980s", []),
        ("00:60", []),
        ("1:2:03:04", []),
        ("at <keyframes>4.7, 1:05</keyframes> orange cross", [(4.7, 4.7), (65, 65)]),
    ],
)
def test_ruling_8_and_ours(text: str, wanted: list[tuple[float, float]]) -> None:
    assert spans(text) == wanted


def test_what_is_left_out_is_counted() -> None:
    text = "At 0:05 a, in 10 seconds b, at 3:30 pm c, at 02:00-02:10 d. At 01:02-09:00 e."
    found = extract_times(text, duration_s=60.0, tolerance_s=2.0)
    assert [(m.start_s, m.end_s) for m in found.mentions] == [(5, 5), (62, 540)]
    assert (found.n_durations, found.n_day_clocks, found.n_out_of_range) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("At around 01:45, the sign appears.", ["sign appears"]),
        ("The sign appears at 01:45.", ["sign appears"]),
        ("The sign at 01:45 shows a number.", ["sign shows a number"]),
        ("At 0:05 and 0:09 it blinks.", ["blinks", "blinks"]),
        ("At 0:05 he sits, at 0:09 he rises.", ["he sits", "he rises"]),
        ("He sits at 0:05 and rises at 0:09.", ["He sits", "rises"]),
        ("Rain starts. At 00:16. She runs at 0:20.", ["", "She runs"]),
        ("at <keyframes>4.7</keyframes> orange cross", ["orange cross"]),
        ("at <keyframes>4.7, 5.0</keyframes> orange cross", ["orange cross", "orange cross"]),
    ],
)
def test_clauses(text: str, clauses: list[str]) -> None:
    assert [m.clause for m in extract_times(text).mentions] == clauses


def test_surface_and_place() -> None:
    text = "Then, between 1:05 and 1:09, he waves."
    (mention,) = extract_times(text).mentions
    assert mention.surface == "between 1:05 and 1:09"
    assert text[slice(*mention.char_span)] == mention.surface


def test_clauses_are_cut_to_ten_words() -> None:
    assert compress_clause("the " + " ".join(map(str, range(20)))) == "0 1 2 3 4 5 6 7 8 9"


@given(st.text(alphabet="0123456789:.-– stoand<keyframes>/pm,\n", max_size=120))
def test_any_text_is_read_without_harm(text: str) -> None:
    for mention in extract_times(text, duration_s=100.0).mentions:
        assert 0.0 <= mention.start_s <= mention.end_s
        assert mention.surface == text[slice(*mention.char_span)].strip()


def test_hostile_length_is_refused_and_long_text_is_fast() -> None:
    assert extract_times("1:00 " * 50_000).too_long
    assert len(extract_times("1:00 " * 30_000).mentions) == 30_000
    assert extract_times("1" * 190_000).mentions == ()
