"""What many elections add up to (spec rler §5, Diagnostics).

A rate without a denominator is ``None`` (errata ruling 12).
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ffr.elect.record import CandidateRecord, ElectionRecord

__all__ = ["calibration_error", "summarise"]

_BINS = 10


def summarise(records: Sequence[ElectionRecord]) -> dict[str, Any]:
    """Accuracy, cost and diagnostics as plain JSON data.

    ``evidence`` (EGS), ``transparency`` (TI) and ``repetition`` (RR) are means over valid
    candidates; accuracy counts ``no_answer`` and ``failed`` as wrong and leaves ``skipped`` out.
    """
    held = [r for r in records if r.status != "skipped"]
    candidates = [c for r in held for c in r.candidates]
    valid = [c for c in candidates if c.reason is None]
    checked = [r for r in held if r.referee is not None]
    overturned = [r for r in checked if r.referee is not None and r.referee.overturned]
    judged = [r for r in overturned if r.right is not None]
    return {
        "questions": len(records),
        "status": dict(sorted(Counter(r.status for r in records).items())),
        "skipped_because": dict(Counter(r.skipped for r in records if r.skipped)),
        "accuracy": _mean(r.right for r in held if r.right is not None),
        "accuracy_by_family": _by_family(held),
        "candidates": {
            "mean": _mean(r.generated for r in held),
            "early_stop_share": _mean(r.stopped_early for r in held),
            "invalid": dict(sorted(Counter(c.reason for c in candidates if c.reason).items())),
            "invalid_share": _mean(c.reason is not None for c in candidates),
        },
        "evidence": _mean(c.frame_sensitive for c in valid),
        "transparency": _mean(c.transparency for c in valid),
        "repetition": _mean(c.repetition for c in valid),
        "cited_share": _mean(
            len(c.cited) / r.units for r in held if r.units for c in r.candidates if not c.reason
        ),
        "confidence": {
            "mean": _mean(c.confidence for c in valid),
            "calibration_error": calibration_error(held),
            "from": dict(sorted(Counter(str(c.confidence_from) for c in valid).items())),
        },
        "outliers_dropped": sum(len(r.dropped) for r in held),
        "referee": {
            "asked": len(checked),
            "unreadable": sum(r.referee is not None and not r.referee.readable for r in checked),
            "overturned": len(overturned),
            "overturned_to_right": sum(
                bool(r.right) and not r.right_before_referee for r in judged
            ),
            "overturned_to_wrong": sum(
                not r.right and bool(r.right_before_referee) for r in judged
            ),
        },
        "tokens": {
            "prompt": sum(r.prompt_tokens for r in held),
            "completion": sum(r.completion_tokens for r in held),
        },
    }


def calibration_error(records: Iterable[ElectionRecord]) -> float | None:
    """Expected calibration error of the confidence of the elected answer, ten equal bins.

    The confidence of an answer is the mean over its supporters; ``None`` without gold answers.
    """
    bins: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
    for record in records:
        if record.right is None or not record.votes:
            continue
        backers = _supporters(record)
        said = statistics.fmean(c.confidence or 0.0 for c in backers)
        bins[min(_BINS - 1, int(said * _BINS))].append((said, record.right))
    total = sum(map(len, bins.values()))
    if not total:
        return None
    gaps = (
        len(rows) * abs(statistics.fmean(s for s, _ in rows) - statistics.fmean(r for _, r in rows))
        for rows in bins.values()
    )
    return sum(gaps) / total


def _supporters(record: ElectionRecord) -> list[CandidateRecord]:
    numbers = set(record.votes[0].supporters)
    return [c for c in record.candidates if c.view in numbers]


def _by_family(records: Sequence[ElectionRecord]) -> dict[str, float | None]:
    families: defaultdict[str, list[bool]] = defaultdict(list)
    for record in records:
        if record.right is not None:
            families[record.family or "none"].append(record.right)
    return {name: _mean(rights) for name, rights in sorted(families.items())}


def _mean(values: Iterable[float | bool | None]) -> float | None:
    numbers = [float(v) for v in values if v is not None]
    return statistics.fmean(numbers) if numbers else None
