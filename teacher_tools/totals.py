"""What all tool calls for one patch may use together."""

from __future__ import annotations

import threading

from teacher_tools.errors import ToolError
from teacher_tools.video import Budget

__all__ = ["Totals"]

_LEAST_S = 0.1  # with less time than this no call is begun


class Totals:
    """A purse of frames, pixels and seconds that the calls for one patch share.

    The runner takes from it before a call and puts back afterwards what the call did not use, so
    the sum holds even when calls run side by side.

    Args:
        frames: most frames returned by all calls.
        pixels: most pixels of these frames together.
        seconds: most wall time of all calls, waiting for a free worker not counted.

    Raises:
        ValueError: a limit is not a finite number above 0.
    """

    def __init__(
        self, *, frames: int = 64, pixels: int = 64 * 2**20, seconds: float = 120.0
    ) -> None:
        limit = Budget(frames=frames, pixels=pixels, seconds=seconds)  # checks the numbers
        self._frames, self._pixels, self._seconds = limit.frames, limit.pixels, limit.seconds
        self._limit = limit
        self._lock = threading.Lock()

    @property
    def frames_left(self) -> int:
        """Frames that still fit."""
        return self._frames

    @property
    def pixels_left(self) -> int:
        """Pixels that still fit."""
        return self._pixels

    @property
    def seconds_left(self) -> float:
        """Wall time that is left."""
        return self._seconds

    @property
    def spent(self) -> dict[str, float]:
        """What was used: ``frames``, ``pixels`` and ``seconds``; running calls count in full."""
        with self._lock:
            return {
                "frames": self._limit.frames - self._frames,
                "pixels": self._limit.pixels - self._pixels,
                "seconds": self._limit.seconds - self._seconds,
            }

    def take(self, wanted: Budget) -> Budget:
        """Take a call's budget out of what is left; it may come out smaller than ``wanted``.

        Raises:
            ToolError: nothing is left; tells the teacher to answer with what it has.
        """
        with self._lock:
            if self._frames < 1 or self._pixels < 1:
                raise ToolError("no more pictures fit; answer with what you have")
            if self._seconds < _LEAST_S:
                raise ToolError("the time for tools is used up; answer with what you have")
            taken = Budget(
                frames=min(wanted.frames, self._frames),
                pixels=min(wanted.pixels, self._pixels),
                seconds=min(wanted.seconds, self._seconds),
                reads=wanted.reads,
            )
            self._frames -= taken.frames
            self._pixels -= taken.pixels
            self._seconds -= taken.seconds
            return taken

    def settle(self, taken: Budget, *, frames: int, pixels: int, seconds: float) -> None:
        """Put back what a call did not use of the budget it had taken."""
        with self._lock:
            self._frames += max(0, taken.frames - frames)
            self._pixels += max(0, taken.pixels - pixels)
            self._seconds += max(0.0, taken.seconds - seconds)
