"""One-to-one matching of claims and events: maximum (ours) and greedy (as released)."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.video_r2.events import TimedEvent

__all__ = ["gap_s", "greedy_matching", "maximum_matching"]


def gap_s(a: TimedEvent, b: TimedEvent) -> float:
    """Seconds between two intervals, 0 when they touch or overlap."""
    return max(0.0, a.start_s - b.end_s, b.start_s - a.end_s)


def maximum_matching(fits: Sequence[Sequence[int]]) -> int:
    """Size of a maximum matching (augmenting paths; cost rows x pairs).

    Args:
        fits: for each row the columns it may take.
    """
    taken: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column in fits[row]:
            if column not in seen:
                seen.add(column)
                if column not in taken or place(taken[column], seen):
                    taken[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(fits)))


def greedy_matching(
    cosines: Sequence[Sequence[float]], compatible: Sequence[Sequence[bool]], threshold: float
) -> int:
    """Matches when each row in turn takes the free compatible column of the highest cosine.

    Args:
        cosines: rows of predictions, in the order they choose; of equal cosines the first wins.
        compatible: same shape: whether the times fit.
        threshold: least cosine, inclusive.
    """
    used: set[int] = set()
    for row, fits in zip(cosines, compatible, strict=True):
        free = [
            j for j, fit in enumerate(fits) if fit and j not in used and row[j] >= threshold
        ]
        if free:
            used.add(max(free, key=lambda j: row[j]))
    return len(used)
