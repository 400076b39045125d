"""Numbers that need only be near each other vote together (spec rler §2.4; errata ruling 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ffr.elect.candidate import Candidate

__all__ = ["cluster", "weighted_lower_median"]

_NEAR = 0.05


def cluster(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with the key of their cluster, in the given order.

    Values are sorted; one joins the current cluster when it lies within 5 % of the cluster's
    first value. Values of different units never meet.

    Raises:
        ValueError: a candidate has no value.
    """
    keys: dict[int, str] = {}
    first: float | None = None
    unit: str | None = None
    for candidate in sorted(candidates, key=lambda c: (c.key, c.value or 0.0, c.number)):
        value = candidate.value
        if value is None:
            raise ValueError(f"candidate {candidate.number} has no value; only numbers cluster")
        near = first is not None and abs(value - first) <= _NEAR * max(abs(value), abs(first))
        if first is None or candidate.key != unit or not near:
            first, unit = value, candidate.key
        keys[candidate.number] = f"{first!r}{unit}"
    return [replace(candidate, key=keys[candidate.number]) for candidate in candidates]


def weighted_lower_median(
    candidates: Sequence[Candidate], weights: Mapping[int, float]
) -> Candidate:
    """The candidate whose value is the lower median of the cluster, each weighted by its vote."""
    ordered = sorted(candidates, key=lambda c: (c.value or 0.0, c.number))
    half = sum(weights[c.number] for c in ordered) / 2
    reached = 0.0
    for candidate in ordered:
        reached += weights[candidate.number]
        if reached >= half - 1e-12:
            return candidate
    return ordered[-1]
