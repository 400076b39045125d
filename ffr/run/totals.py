"""Counts over group records: the numbers that add up, shared by step metrics and summary."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ffr.repair.record import DiagnosisRecord, GroupRecord, OutcomeRecord

__all__ = ["RepairTotals", "add_up"]


@dataclass
class RepairTotals:
    """Sums over training groups.

    Attributes:
        rollouts: first answers.
        failed: first answers that were wrong.
        asked: failures that were taken up (diagnosed, or silent).
        teacher_calls: diagnoses by a live model.
        patches: diagnoses that gave a patch which could be shown.
        succeeded: second answers that were right.
        in_view: right second answers whose evidence was in the student's own view.
        second: second answers.
        shuffled: answers to shuffled frames, which are not trained.
        store_hits: diagnoses read back from the store.
        store_misses: diagnoses the store could not answer.
        no_patch: reason to number of failures without a second answer.
        tools: tool to [calls, failures], of live diagnoses.
        counters: whatever the teacher counted (tokens, retries, leak_rejected, ...).
        tokens: ``original``, ``repaired``: response tokens of live rows by the pass they come
            from; ``zero_advantage``: those of them that carry no gradient of the reward.
        rows: rows of the update by category.
    """

    rollouts: int = 0
    failed: int = 0
    asked: int = 0
    teacher_calls: int = 0
    patches: int = 0
    second: int = 0
    shuffled: int = 0
    succeeded: int = 0
    in_view: int = 0
    store_hits: int = 0
    store_misses: int = 0
    no_patch: Counter[str] = field(default_factory=Counter)
    tools: dict[str, list[int]] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)
    tokens: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    @property
    def leak_rejected(self) -> int:
        """Patches the leak gate refused, retries included."""
        return int(self.counters.get("leak_rejected", 0))

    @property
    def generated_sequences(self) -> int:
        """Answers the student generated: both passes, and those to shuffled frames."""
        return self.rollouts + self.second + self.shuffled


def add_up(records: Iterable[GroupRecord]) -> RepairTotals:
    """Totals of training records; validation records are left out."""
    totals = RepairTotals()
    for record in records:
        if record.mode != "train":
            continue
        totals.shuffled += len(record.shuffled)
        for outcome in record.outcomes:
            _add_outcome(totals, outcome)
        for row in record.rows:
            totals.rows[row.category] += 1
            if row.live:
                kind = "original" if row.source == "first" else "repaired"
                totals.tokens[kind] += row.tokens
                if row.advantage == 0.0:
                    totals.tokens["zero_advantage"] += row.tokens
    return totals


def _add_outcome(totals: RepairTotals, outcome: OutcomeRecord) -> None:
    totals.rollouts += 1
    totals.failed += not outcome.first.right
    if outcome.second is not None:
        totals.second += 1
        totals.succeeded += outcome.second.right
        totals.in_view += outcome.second.right and outcome.in_view
    if outcome.diagnosis is not None:
        totals.asked += 1
        _add_diagnosis(totals, outcome.diagnosis)


def _add_diagnosis(totals: RepairTotals, diagnosis: DiagnosisRecord) -> None:
    if diagnosis.no_patch is None:
        totals.patches += 1
    else:
        totals.no_patch[diagnosis.no_patch] += 1
    live = diagnosis.source == "live"
    totals.teacher_calls += live
    totals.store_hits += diagnosis.source == "store"
    totals.store_misses += live or diagnosis.no_patch == "store_miss"
    if not live:
        return  # a stored diagnosis carries the cost of the call that made it
    for name, count in diagnosis.tools.items():
        sums = totals.tools.setdefault(name, [0, 0])
        sums[0] += count.calls
        sums[1] += count.failures
    for counter, value in diagnosis.counters.items():
        if value is not None and math.isfinite(value):
            totals.counters[counter] = totals.counters.get(counter, 0.0) + value
