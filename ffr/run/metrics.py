"""Group records of a step as flat metrics.

A rate without a denominator is left out, never 0 (errata ruling 12).  Names:

===============================================  ==================================================
``accuracy/first_pass``, ``accuracy/second_pass``  share right before and after the patch
``accuracy/shuffled``                              the same of answers to shuffled frames
``format/first_pass``                              share well formed
``repair/rollouts``, ``failed``, ``asked``         first answers, wrong ones, those taken up
``repair/teacher_calls``, ``patches``              live diagnoses, patches shown
``repair/succeeded``, ``leak_rejected``            right second answers, refusals of the leak gate
``repair/no_patch/<reason>``                       failures that got no second answer
``repair/intervention_ratio``                      asked / rollouts
``repair/patch_rate``, ``repair/success_rate``     patches / asked, right / second answers
``repair/in_view``                                 right repairs whose evidence was in view
``store/hits``, ``store/misses``                   patch store
``rows/<category>``, ``rows/live``                 rows of the update
``advantage/<category>/mean``                      over live rows
``reward/<term>/mean``, ``std``                    over live rows; terms, components, ``total``
``reward/<term>/zero_variance_groups``             baseline groups in which a term does not vary
``advantage/groups``                               baseline groups
``trained/original_tokens``, ``repaired_tokens``   response tokens of live rows
``trained/zero_advantage_tokens``                  those of them without a gradient
``tools/<name>/calls``, ``failures``               tool calls of live diagnoses
``teacher/<counter>``                              what the teacher counted
``generated/sequences``, ``generated/tokens``      both passes and shuffled frames
``generated/truncated_rate``                       answers cut off by the token limit
``time/<part>/mean``, ``max``                      s: first_pass, repair, scoring, group, diagnosis
===============================================  ==================================================

Reward components add their own (``ffr.run.component_metrics``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ffr.repair.record import AttemptRecord, GroupRecord, RowRecord
from ffr.run.component_metrics import component_metrics
from ffr.run.totals import RepairTotals, add_up
from rewards.advantage import advantages_by_category, group_spread

__all__ = ["step_metrics"]

_TERMS = ("accuracy", "format", "dependency", "tax")
_SAME = 1e-9


def step_metrics(records: Iterable[GroupRecord]) -> dict[str, float]:
    """Flat metrics of the training records of one step; empty when there are none."""
    groups = [record for record in records if record.mode == "train"]
    if not groups:
        return {}
    totals = add_up(groups)
    firsts = [outcome.first for group in groups for outcome in group.outcomes]
    seconds = [o.second for group in groups for o in group.outcomes if o.second is not None]
    return {
        **_answers(firsts, seconds, [a for group in groups for a in group.shuffled]),
        **_repair(totals),
        **_rows([row for group in groups for row in group.rows if row.live]),
        **_times(groups),
        **component_metrics(groups),
    }


def _answers(
    firsts: Sequence[AttemptRecord],
    seconds: Sequence[AttemptRecord],
    shuffled: Sequence[AttemptRecord],
) -> dict[str, float]:
    every = [*firsts, *seconds, *shuffled]
    found: dict[str, float | None] = {
        "accuracy/first_pass": _mean([float(a.right) for a in firsts]),
        "accuracy/second_pass": _mean([float(a.right) for a in seconds]),
        "accuracy/shuffled": _mean([float(a.right) for a in shuffled]),
        "format/first_pass": _mean([a.format for a in firsts]),
        "generated/sequences": len(every),
        "generated/tokens": sum(a.tokens for a in every),
        "generated/truncated_rate": _mean([float(a.finish_reason == "length") for a in every]),
    }
    return _available(found)


def _repair(totals: RepairTotals) -> dict[str, float]:
    found: dict[str, float | None] = {
        "repair/rollouts": totals.rollouts,
        "repair/failed": totals.failed,
        "repair/asked": totals.asked,
        "repair/teacher_calls": totals.teacher_calls,
        "repair/patches": totals.patches,
        "repair/succeeded": totals.succeeded,
        "repair/in_view": totals.in_view,
        "repair/leak_rejected": totals.leak_rejected,
        "repair/intervention_ratio": _share(totals.asked, totals.rollouts),
        "repair/patch_rate": _share(totals.patches, totals.asked),
        "repair/success_rate": _share(totals.succeeded, totals.second),
        "store/hits": totals.store_hits,
        "store/misses": totals.store_misses,
        "trained/original_tokens": totals.tokens["original"],
        "trained/repaired_tokens": totals.tokens["repaired"],
        "trained/zero_advantage_tokens": totals.tokens["zero_advantage"],
    }
    found |= {f"repair/no_patch/{reason}": n for reason, n in sorted(totals.no_patch.items())}
    found |= {f"rows/{category}": n for category, n in sorted(totals.rows.items())}
    found |= {f"teacher/{name}": value for name, value in sorted(totals.counters.items())}
    for name, (calls, failures) in sorted(totals.tools.items()):
        found |= {f"tools/{name}/calls": calls, f"tools/{name}/failures": failures}
    return _available(found)


def _rows(live: Sequence[RowRecord]) -> dict[str, float]:
    found: dict[str, float | None] = {"rows/live": len(live)}
    by_category = advantages_by_category((row.category, row.advantage) for row in live)
    for category, stats in by_category.items():
        found[f"advantage/{category}/mean"] = stats.mean
    baselines: defaultdict[str, list[RowRecord]] = defaultdict(list)
    for row in live:
        baselines[row.group].append(row)
    found["advantage/groups"] = len(baselines)
    further = {name for row in live for name in row.terms} - set(_TERMS)
    for term in (*_TERMS, *sorted(further), "total"):
        values = [_term(row, term) for row in live]
        flat = sum(_is_flat([_term(row, term) for row in own]) for own in baselines.values())
        found[f"reward/{term}/mean"] = _mean(values)
        found[f"reward/{term}/std"] = group_spread(values)
        found[f"reward/{term}/zero_variance_groups"] = flat
    return _available(found)


def _times(groups: Sequence[GroupRecord]) -> dict[str, float]:
    parts = {
        "first_pass": [group.timings.first_pass for group in groups],
        "repair": [group.timings.repair for group in groups],
        "scoring": [group.timings.scoring for group in groups],
        "group": [group.timings.total for group in groups],
        "diagnosis": [o.diagnosis.seconds for g in groups for o in g.outcomes if o.diagnosis],
    }
    found: dict[str, float] = {}
    for part, values in parts.items():
        if values:
            found[f"time/{part}/mean"] = math.fsum(values) / len(values)
            found[f"time/{part}/max"] = max(values)
    return found


def _term(row: RowRecord, term: str) -> float:
    return row.reward if term == "total" else row.terms.get(term, 0.0)


def _is_flat(values: Sequence[float]) -> bool:
    return max(values) - min(values) < _SAME


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _available(found: dict[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in found.items() if value is not None}
