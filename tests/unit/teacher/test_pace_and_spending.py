"""Requests and tokens a minute, and budgets, without waiting for a minute."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.teacher.chat import CallFailed
from ffr.teacher.pace import Pace
from ffr.teacher.redact import Redactor
from ffr.teacher.spending import Spending, Usage, Usages


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def starts(
    calls: list[int], requests: int | None, tokens: int | None
) -> list[tuple[float, int]]:
    clock = Clock()
    pace = Pace(requests, tokens, clock=clock, sleep=clock.sleep)
    times = []
    for size in calls:
        await pace.enter(size, math.inf)
        times.append((clock.now, size))
    return times


@given(
    st.lists(st.integers(1, 500), max_size=40),
    st.none() | st.integers(1, 5),
    st.none() | st.integers(100, 1000),
)
def test_no_window_of_a_minute_holds_too_much(
    calls: list[int], requests: int | None, tokens: int | None
) -> None:
    times = asyncio.run(starts(calls, requests, tokens))
    for at, _ in times:
        window = [size for t, size in times if at - 60 < t <= at]
        assert requests is None or len(window) <= requests
        assert tokens is None or sum(window) <= tokens or len(window) == 1


async def test_corrections_make_room_or_take_it() -> None:
    clock = Clock()
    pace = Pace(None, 100, clock=clock, sleep=clock.sleep)
    correct = await pace.enter(90, math.inf)
    correct(10)
    await pace.enter(90, math.inf)
    assert clock.now == 1000.0
    with pytest.raises(CallFailed, match="deadline"):
        await pace.enter(1, clock.now + 59)
    await pace.enter(1, math.inf)
    assert clock.now == 1060.0
    correct(1000)  # long gone: changes nothing
    await pace.enter(50, math.inf)
    assert clock.now == 1060.0


async def test_who_queues_behind_others_keeps_its_own_deadline() -> None:
    pace = Pace(1, None)
    await pace.enter(0, math.inf)
    first = asyncio.ensure_future(pace.enter(0, math.inf))
    await asyncio.sleep(0)
    loop_time = asyncio.get_running_loop().time()
    with pytest.raises(CallFailed, match="deadline"):
        await pace.enter(0, loop_time + 0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(CallFailed, match="deadline"):  # the place in the queue is free again
        await pace.enter(0, loop_time + 0.05)


def test_budgets_count_what_is_under_way() -> None:
    spending = Spending(max_tokens=100)
    expected = Usage(30, 10)
    spending.reserve(expected)
    spending.reserve(expected)
    with pytest.raises(CallFailed, match=r"teacher\.max_total_tokens=100 is spent"):
        spending.reserve(expected)
    spending.settle(expected, Usage(5, 5))
    spending.reserve(expected)
    assert (spending.requests, spending.used) == (3, Usage(5, 5))


def test_money() -> None:
    spending = Spending(max_cost=1.0, price_in=1000.0, price_out=4000.0)
    assert spending.price(Usage(100, 50)) == pytest.approx(0.3)
    for _ in range(3):
        spending.reserve(Usage(100, 50))
        spending.settle(Usage(100, 50), Usage(100, 50))
    with pytest.raises(CallFailed, match=r"max_cost=1 is spent \(3 requests, 450 tokens and 0\.9"):
        spending.reserve(Usage(100, 50))
    with pytest.raises(ValueError, match="price_in"):
        Spending(max_cost=1.0, price_in=2.0)
    assert Spending().price(Usage(100, 100)) == 0.0


def test_expectations_follow_experience() -> None:
    usages = Usages(2000)
    image = {"type": "image_url", "image_url": {"url": "x" * 100_000}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "y" * 600}]}]
    first = usages.expect(messages)
    assert first == Usage(1000, 2000)
    usages.learn(messages, Usage(250, 40))
    assert usages.expect(messages) == Usage(250, 40)
    for _ in range(50):
        usages.learn(messages, Usage(500, 80))
    assert usages.expect(messages) == Usage(500, 80)


def test_redaction() -> None:
    redact = Redactor("my-own-key")
    assert redact.message("a my-own-key b sk-abcdefgh12 https://me:pw@host") == (
        "a *** b *** https:***host"
    )
    assert redact.exactly("my-own-key and sk-abcdefgh12") == "*** and sk-abcdefgh12"
    assert "my-own-key" not in repr(redact)
    assert Redactor("no").exactly("nothing") == "nothing"
    assert len(redact.message("x" * 5000)) == 300
