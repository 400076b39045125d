"""The circuit breaker's states, and the failure rate that stops a run."""

from __future__ import annotations

import pytest

from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.health import TeacherHealth

PATCH = EvidencePatch(error_types=("temporal",), guidance="Look.")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(3, 10.0, Clock())
    for _ in range(5):
        breaker.failure()
        breaker.failure()
        breaker.success()
    assert breaker.allow()
    for _ in range(3):
        breaker.failure()
    assert breaker.is_open
    assert breaker.blocked
    assert not breaker.allow()
    assert breaker.times_opened == 1


def test_one_probe_after_the_pause_decides() -> None:
    clock = Clock()
    breaker = CircuitBreaker(1, 10.0, clock)
    breaker.failure()
    clock.now = 9.9
    assert not breaker.allow()
    clock.now = 10.0
    assert breaker.allow()
    assert not breaker.allow()
    breaker.failure()
    assert not breaker.allow()
    clock.now = 20.0
    assert breaker.allow()
    breaker.success()
    assert not breaker.is_open
    assert breaker.allow()
    assert breaker.times_opened == 2


def test_a_cancelled_probe_does_not_block_the_next() -> None:
    clock = Clock()
    breaker = CircuitBreaker(1, 10.0, clock)
    breaker.failure()
    clock.now = 11.0
    assert breaker.allow()
    breaker.neutral()
    assert breaker.is_open
    assert breaker.allow()


def test_late_failures_of_calls_under_way_do_not_prolong_the_pause() -> None:
    clock = Clock()
    breaker = CircuitBreaker(2, 10.0, clock)
    for now in (0.0, 1.0, 5.0, 6.0):
        clock.now = now
        breaker.failure()
    clock.now = 11.0
    assert breaker.allow()


def test_failure_rate_counts_who_was_asked() -> None:
    health = TeacherHealth(0.5)
    for reason in ("teacher_off", "store_miss", "budget_spent", "empty_response"):
        health.record(NoPatch(reason=reason))  # type: ignore[arg-type]
    assert health.asked == 0
    assert health.failure_rate == 0.0
    health.record(PATCH)
    for reason in ("timeout", "leak", "circuit_open"):
        health.record(NoPatch(reason=reason))  # type: ignore[arg-type]
    assert (health.asked, health.failures, health.failure_rate) == (4, 3, 0.75)
    health.check()  # too few to judge
    health.add(0, {"timeout": 16})
    with pytest.raises(UserError, match=r"19 of 20 diagnoses \(95%; timeout 17"):
        health.check()
    TeacherHealth(None).check()


def test_a_rate_at_the_limit_is_allowed() -> None:
    health = TeacherHealth(0.5)
    health.add(10, {"timeout": 10})
    assert not health.must_abort
    health.add(0, {"timeout": 1})
    assert health.must_abort
