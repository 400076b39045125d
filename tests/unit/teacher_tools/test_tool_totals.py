"""What all calls for one patch may use is a purse that never goes below zero."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from teacher_tools import Budget, ToolError, Totals

CALL = Budget(frames=8, pixels=1000, seconds=5.0)


def test_a_call_takes_and_puts_back() -> None:
    totals = Totals(frames=10, pixels=1500, seconds=12.0)
    taken = totals.take(CALL)
    assert (taken.frames, taken.pixels, taken.seconds) == (8, 1000, 5.0)
    assert totals.spent == {"frames": 8, "pixels": 1000, "seconds": 5.0}
    totals.settle(taken, frames=3, pixels=900, seconds=1.5)
    assert (totals.frames_left, totals.pixels_left, totals.seconds_left) == (7, 600, 10.5)


def test_a_later_call_gets_what_is_left() -> None:
    totals = Totals(frames=10, pixels=1500, seconds=6.0)
    totals.settle(totals.take(CALL), frames=8, pixels=1000, seconds=5.0)
    taken = totals.take(CALL)
    assert (taken.frames, taken.pixels) == (2, 500)
    assert taken.seconds == pytest.approx(1.0)
    assert taken.reads == CALL.reads


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ({"frames": 8, "pixels": 1, "seconds": 1}, "no more pictures fit"),
        ({"frames": 1, "pixels": 1000, "seconds": 1}, "no more pictures fit"),
        ({"frames": 1, "pixels": 1, "seconds": 7.0}, "time for tools is used up"),
    ],
)
def test_a_spent_purse_is_told_to_the_teacher(used: dict[str, int], words: str) -> None:
    totals = Totals(frames=8, pixels=1000, seconds=5.0)
    totals.settle(totals.take(CALL), **used)
    with pytest.raises(ToolError, match=words):
        totals.take(CALL)


def test_calls_side_by_side_never_take_more_than_there_is() -> None:
    totals = Totals(frames=100, pixels=10_000, seconds=1000.0)

    def call(_: int) -> int:
        try:
            taken = totals.take(Budget(frames=3, pixels=90, seconds=1.0))
        except ToolError:
            return 0
        totals.settle(taken, frames=taken.frames, pixels=taken.pixels, seconds=0.0)
        return taken.frames

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(call, range(200))) == 100
    assert totals.frames_left == 0


@pytest.mark.parametrize("limit", ["frames", "pixels", "seconds"])
@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_limits_must_be_finite_and_positive(limit: str, value: float) -> None:
    with pytest.raises(ValueError, match=limit):
        Totals(**{limit: value})  # type: ignore[arg-type]
