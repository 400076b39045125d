"""How fast a stage gets on, and when it will be done."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace", "duration"]

_WINDOW = 20


class Pace:
    """Rate over the last 20 notes; a resumed run, or one that went back, begins anew."""

    def __init__(self) -> None:
        self._notes: deque[tuple[int, float]] = deque(maxlen=_WINDOW + 1)

    def note(self, done: int, at: float, seconds: float | None = None) -> None:
        """``done`` steps are finished.

        Args:
            done: number of finished steps.
            at: when, in seconds of any clock that only goes on.
            seconds: how long the last one took, if known; makes the first note enough.
        """
        if self._notes and done <= self._notes[-1][0]:
            self._notes.clear()
        if not self._notes and seconds is not None and done > 0:
            self._notes.append((done - 1, at - seconds))
        self._notes.append((done, at))

    @property
    def seconds_per_step(self) -> float | None:
        """Mean over the window; ``None`` before two notes."""
        if len(self._notes) < 2:
            return None
        (first, began), (last, ended) = self._notes[0], self._notes[-1]
        return max(ended - began, 0.0) / (last - first)

    def left(self, total: int, now: float | None = None) -> float | None:
        """Seconds until ``total`` steps are done; ``None`` when the rate is not known.

        Args:
            total: steps that make it whole.
            now: the present on the same clock; time since the last note is taken off.
        """
        each = self.seconds_per_step
        if each is None:
            return None
        done, at = self._notes[-1]
        waited = 0.0 if now is None else max(now - at, 0.0)
        return max((total - done) * each - waited, 0.0)


def duration(seconds: float) -> str:
    """``12 s``, ``3 min 05 s``, ``2 h 07 min`` or ``3 d 04 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, unit, small, next_unit in (
        (60, "min", 1, "s"), (3600, "h", 60, "min"), (86400, "d", 3600, "h")
    ):  # fmt: skip
        if whole < size * (24 if unit == "h" else 60) or unit == "d":
            return f"{whole // size} {unit} {whole % size // small:02d} {next_unit}"
    raise AssertionError
