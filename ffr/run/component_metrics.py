"""Metrics of reward components, of the consistency gate, of citations and of the judge.

==========================================  =====================================================
``component/<name>/mean``, ``std``           gated values before weights, over answers that have it
``component/<name>/missing``                 answers without a value
``component/<name>/missing/<problem>``       those by reason
``component/<name>/problem/<problem>``       answers that the released code gives 0 for a failure
``component/<name>/dropped_rows``            live rows whose group was compared without it
``consistency/rate``, ``unknown``            share consistent of those known; number unknown
``rler/...``                                 see ``rewards.rler.gaming``
``rler/citation_precision/mean``             cited units near a gold span / cited units
``judge/<counter>``                          what the text judge counted
==========================================  =====================================================

The weighted terms are under ``reward/<name>`` (``ffr.run.metrics``).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from ffr.repair.record import AttemptRecord, GroupRecord
from rewards.rler.gaming import GradedCompletion, gaming_metrics

__all__ = ["component_metrics"]


def component_metrics(groups: Sequence[GroupRecord]) -> dict[str, float]:
    """Flat metrics of a step's training groups; what has no denominator is left out."""
    attempts = [attempt for group in groups for attempt in _attempts(group)]
    metrics: dict[str, float] = {}
    for name in sorted({name for attempt in attempts for name in attempt.components}):
        metrics |= _component(name, attempts, groups)
    metrics |= _consistency(attempts)
    metrics |= gaming_metrics(_graded(groups))
    precisions = [
        a.evidence.precision for a in attempts if a.evidence and a.evidence.precision is not None
    ]
    if precisions:
        metrics["rler/citation_precision/mean"] = statistics.fmean(precisions)
    judged: Counter[str] = Counter()
    for group in groups:
        judged.update(group.judge)
    return metrics | {f"judge/{name}": float(n) for name, n in sorted(judged.items())}


def _component(
    name: str, attempts: Sequence[AttemptRecord], groups: Sequence[GroupRecord]
) -> dict[str, float]:
    own = [attempt for attempt in attempts if name in attempt.components]
    known = [v for attempt in own if (v := attempt.components[name]) is not None]
    reasons = Counter(a.component_problems.get(name, "") for a in own if a.components[name] is None)
    found = {f"component/{name}/missing": float(len(own) - len(known))}
    found |= {
        f"component/{name}/missing/{reason or 'unnamed'}": float(n)
        for reason, n in sorted(reasons.items())
    }
    named = Counter(
        a.component_problems[name]
        for a in own if a.components[name] is not None and name in a.component_problems
    )  # fmt: skip
    found |= {f"component/{name}/problem/{what}": float(n) for what, n in sorted(named.items())}
    rows = [row for group in groups for row in group.rows if row.live]
    found[f"component/{name}/dropped_rows"] = float(sum(name not in row.terms for row in rows))
    if known:
        found[f"component/{name}/mean"] = statistics.fmean(known)
        found[f"component/{name}/std"] = statistics.pstdev(known)
    return found


def _consistency(attempts: Sequence[AttemptRecord]) -> dict[str, float]:
    asked = [attempt for attempt in attempts if attempt.consistent_by]
    known = [attempt.consistent for attempt in asked if attempt.consistent is not None]
    found = {"consistency/unknown": float(len(asked) - len(known))} if asked else {}
    if known:
        found["consistency/rate"] = statistics.fmean(known)
    return found


def _graded(groups: Sequence[GroupRecord]) -> Iterator[GradedCompletion]:
    for group in groups:
        for row in group.rows:
            outcome = group.outcomes[row.index]
            attempt = outcome.first if row.source == "first" else outcome.second
            if attempt is None or attempt.evidence is None or not row.live:
                continue
            reading = attempt.evidence
            yield GradedCompletion(
                group=row.group, right=attempt.right, reward=row.reward, cited=reading.cited,
                units=reading.units, transparency=reading.transparency,
                repetition=reading.repetition,
            )


def _attempts(group: GroupRecord) -> Iterator[AttemptRecord]:
    for outcome in group.outcomes:
        yield outcome.first
        if outcome.second is not None:
            yield outcome.second
