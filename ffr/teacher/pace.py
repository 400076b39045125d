"""Requests and tokens a minute, kept on our side so that the provider need not refuse."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ffr.teacher.chat import CallFailed

__all__ = ["Pace"]

_WINDOW_S = 60.0


@dataclass
class _Entry:
    at: float
    tokens: int


class Pace:
    """No window of 60 seconds holds more requests or tokens than allowed; first come, first served.

    What a call will cost in tokens is only known afterwards: ``enter`` books what is expected and
    ``correct`` replaces it.  A call larger than the whole limit goes alone.

    Args:
        requests_per_minute: ``None`` for no limit.
        tokens_per_minute: prompt and reply together; ``None`` for no limit.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._clock = clock
        self._sleep = sleep
        self._entries: deque[_Entry] = deque()
        self._booked = 0
        self._turn = asyncio.Lock()

    @property
    def limits_anything(self) -> bool:
        """Whether there is any limit."""
        return self._requests is not None or self._tokens is not None

    async def enter(self, tokens: int, ends_at: float) -> Callable[[int], None]:
        """Wait for a place, book ``tokens``, and return ``correct(actual_tokens)``.

        Raises:
            CallFailed: ``deadline``, at once when the place comes after ``ends_at``.
        """
        if not self.limits_anything:
            return lambda _: None
        try:
            async with asyncio.timeout(max(0.0, min(ends_at - self._clock(), 1e9))):
                await self._turn.acquire()
        except TimeoutError:
            raise _too_late() from None
        try:
            while (wait := self._wait_s(tokens)) > 0:
                if self._clock() + wait >= ends_at:
                    raise _too_late()
                await self._sleep(wait)
            entry = _Entry(self._clock(), tokens)
            self._entries.append(entry)
            self._booked += tokens
        finally:
            self._turn.release()

        def correct(actual: int) -> None:
            if entry.at > self._clock() - _WINDOW_S:  # else it has left the window with its booking
                self._booked += actual - entry.tokens
            entry.tokens = actual

        return correct

    def _wait_s(self, tokens: int) -> float:
        """Seconds until the oldest entry leaves, if that is needed before another may enter."""
        now = self._clock()
        while self._entries and self._entries[0].at <= now - _WINDOW_S:
            self._booked -= self._entries.popleft().tokens
        if not self._entries:
            return 0.0
        full = self._requests is not None and len(self._entries) >= self._requests
        full |= self._tokens is not None and self._booked + tokens > self._tokens
        return self._entries[0].at + _WINDOW_S - now if full else 0.0


def _too_late() -> CallFailed:
    return CallFailed(
        "deadline",
        "teacher.requests_per_minute or tokens_per_minute leave no room before the deadline",
    )
