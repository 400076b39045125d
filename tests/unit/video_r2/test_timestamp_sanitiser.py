"""Keys of timestamp dictionaries: every row of spec video_r2 §10.1."""

from __future__ import annotations

import pytest

from rewards.video_r2.sanitiser import read_key, released_sanitiser


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("00:42", "00:42"),
        ("1:05", "01:05"),
        ("01:45-02:01", "01:45-02:01"),
        ("00:01:02.5", "01:02"),
        ("75", "01:15"),
        ("7.6", "00:08"),
        ("00:10 to 00:14", "00:10-00:14"),
        ("00:10 TO 00:14", "00:10-00:14"),
        ("00:10–00:14", "00:10-00:14"),
        ("00:14-00:10", "00:10-00:14"),
        ("00:42+", "00:42"),
        ("59:60", "01:00:00"),
        ("90:00", "01:30:00"),
        ("01:01:01", "01:01:01"),
    ],
)
def test_released_keys(key: str, wanted: str) -> None:
    assert released_sanitiser({key: "x"}) == {wanted: "x"}


@pytest.mark.parametrize(
    "key",
    ["around 00:16", "01:02-end", "00:05, 00:09", "00:10s", "-00:05", "1:2:3:4", "", "nan", "a-b-c",
     "1:nan", 5, None],
)  # fmt: skip
def test_dropped_keys(key: object) -> None:
    assert released_sanitiser({key: "x"}) == {}
    assert read_key(key) is None


def test_colliding_keys_overwrite() -> None:
    entries = {"00:05": "first", "0:05": "second", "5": "third"}
    assert released_sanitiser(entries) == {"00:05": "third"}


def test_infinite_keys_fail_as_released_but_are_unreadable_in_ours() -> None:
    with pytest.raises(OverflowError):
        released_sanitiser({"inf": "x"})
    assert read_key("inf") is None
    assert read_key("1:inf") is None


@pytest.mark.parametrize(
    ("key", "times"),
    [("00:01:02.5", (62.5, 62.5)), ("7.6", (7.6, 7.6)), ("00:14-00:10", (10, 14)),
     ("90:00", (5400, 5400)), ("59:60", None), ("1:60:00", None)],
)  # fmt: skip
def test_our_keys_keep_fractions(key: str, times: tuple[float, float] | None) -> None:
    assert read_key(key) == times
