"""A circuit breaker: after enough failures in a row, stop asking for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Opens after ``failures`` consecutive failures; lets one probe through after ``reset_s``.

    Every ``allow()`` that returned True must be followed by exactly one of ``success()``,
    ``failure()`` or ``neutral()``.

    Args:
        failures: consecutive failures that open it.
        reset_s: seconds it stays open before a probe.
        clock: monotonic seconds.
    """

    def __init__(
        self, failures: int, reset_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._reset_s = reset_s
        self._clock = clock
        self._in_a_row = 0
        self._opened_at: float | None = None
        self._probing = False
        self.times_opened = 0
        """How often it opened, for metrics."""

    @property
    def is_open(self) -> bool:
        """Whether calls are being refused (a probe may still be let through)."""
        return self._opened_at is not None

    @property
    def blocked(self) -> bool:
        """Whether ``allow`` would refuse now."""
        return self._opened_at is not None and (
            self._probing or self._clock() - self._opened_at < self._reset_s
        )

    def allow(self) -> bool:
        """Whether a call may be made now."""
        if self._opened_at is None:
            return True
        if self.blocked:
            return False
        self._probing = True
        return True

    def success(self) -> None:
        """The provider answered."""
        self._in_a_row = 0
        self._opened_at = None
        self._probing = False

    def failure(self) -> None:
        """The provider failed."""
        self._in_a_row += 1
        if self._probing or (self._opened_at is None and self._in_a_row >= self._limit):
            self._opened_at = self._clock()
            self.times_opened += 1
        self._probing = False

    def neutral(self) -> None:
        """The call says nothing about the provider's health (cancelled, or refused as ours)."""
        self._probing = False
