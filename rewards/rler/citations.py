"""Which frames a response cites: by number, or by time (spec rler §2.2, §2.4; errata 7).

A citation points at a *unit* of a ``CitationScale``: a frame, or where times are cited the
group of frames that the vision tower merges and whose mean time the student reads.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ffr.config.rler import EvidenceConfig
from student.time_axis import TimeAxis

__all__ = ["CitationScale", "Citations", "cited_frames", "cited_times"]

_SEPARATOR = re.compile(r"[,;\s，、；]+")
_DECORATION = re.compile(r"[\[\](){}\"'#]")
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_SKIPPED = frozenset({"", "frame", "frames", "and", "f", "idx", "index"})
_END_SLACK_S = 0.05
"""A time this little past the end still names the last unit: durations are rounded."""


@dataclass(frozen=True)
class Citations:
    """What a response cites.

    Attributes:
        units: ``K``, numbers of the cited units, counted from the scale's base.
        invalid: ``E``, how many entries name no unit.
    """

    units: frozenset[int] = frozenset()
    invalid: int = 0


@dataclass(frozen=True)
class CitationScale:
    """What may be cited in one prompt.

    Attributes:
        count: number of units, ``N``.
        base: number of the first one.
        times_s: time of each unit in seconds, not decreasing; empty when unknown.
        duration_s: length of the video in seconds; ``None`` when unknown.
    """

    count: int
    base: int = 1
    times_s: tuple[float, ...] = ()
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count={self.count} is not allowed; give 0 or more units")
        if self.times_s and len(self.times_s) != self.count:
            raise ValueError(f"{len(self.times_s)} times for {self.count} units; give one each")

    @classmethod
    def of_axis(cls, axis: TimeAxis, config: EvidenceConfig) -> CitationScale:
        """The scale of a sampled video: its frames, or its groups of merged frames."""
        if config.citation == "frames":
            times = axis.times_s
        else:
            times = axis.group_times_s(config.frames_per_group)
        return cls(len(times), config.index_base, times, axis.duration_s)

    def unit_at(self, t_s: float) -> int | None:
        """The unit nearest to a time, the earlier of two; ``None`` outside the video."""
        end = self.duration_s if self.duration_s is not None else max(self.times_s, default=-1.0)
        if not self.times_s or not 0.0 <= t_s <= end + _END_SLACK_S:
            return None
        right = bisect.bisect_left(self.times_s, t_s)
        near = [i for i in (right - 1, right) if 0 <= i < self.count]
        best = min(near, key=lambda i: (abs(self.times_s[i] - t_s), i))
        return best + self.base

    def time_of(self, unit: int) -> float | None:
        """Time of a unit in seconds; ``None`` when times are unknown."""
        index = unit - self.base
        return self.times_s[index] if 0 <= index < len(self.times_s) else None


def cited_frames(text: str, scale: CitationScale, max_cited: int | None = None) -> Citations:
    """Citations by number, from the content of a ``<keyframes>`` block.

    Brackets, quotes, ``#`` and words such as ``frame`` do not count; anything else that is no
    number of the scale is one invalid entry, so is a range (``3-6``). A repeated valid number
    counts once. With ``max_cited`` the first that many stay and every further one is invalid.
    """
    numbers: list[int | None] = []
    for token in _SEPARATOR.split(_DECORATION.sub(" ", text)):
        word = token.strip().rstrip(".")
        if word.lower() in _SKIPPED:
            continue
        number = int(word) if _INTEGER.fullmatch(word) else None
        inside = number is not None and scale.base <= number < scale.base + scale.count
        numbers.append(number if inside else None)
    return _collect(numbers, max_cited)


def cited_times(
    times_s: Sequence[float],
    scale: CitationScale,
    max_cited: int | None = None,
    *,
    unreadable: int = 0,
) -> Citations:
    """Citations by time: each names the nearest unit; a time outside the video is invalid.

    Args:
        times_s: cited times in seconds, as ``student.parse`` reads them.
        scale: with the times of its units.
        max_cited: as in ``cited_frames``.
        unreadable: entries that are no time; they are invalid.
    """
    found = _collect([scale.unit_at(t) for t in times_s], max_cited)
    return Citations(found.units, found.invalid + unreadable)


def _collect(numbers: Iterable[int | None], max_cited: int | None) -> Citations:
    order: dict[int, None] = {}
    invalid = 0
    for number in numbers:
        if number is None:
            invalid += 1
        else:
            order[number] = None
    kept = list(order)[:max_cited]
    return Citations(frozenset(kept), invalid + len(order) - len(kept))
