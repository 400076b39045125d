"""What the rows of a run's evaluation add up to: ``eval/NAME.json``, by family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ffr.evaluate.metrics.registry import Metric
from ffr.evaluate.rows import ItemRow

__all__ = ["measures_by_family"]


def measures_by_family(
    rows: Iterable[ItemRow], metrics: Mapping[str, Metric] | None = None
) -> dict[str, dict[str, float]]:
    """``{"all": {"accuracy", "n", "skipped", "tac_strict", ...}, family: ...}``.

    Rows without a response count as wrong nowhere; ``skipped`` says how many there are. Of each
    metric every number with an interval is a measure, named ``<metric>_<number>``; what has no
    denominator is left out.
    """
    groups: dict[str, list[ItemRow]] = defaultdict(list)
    for row in rows:
        groups["all"].append(row)
        groups[row.family or "none"].append(row)
    table: dict[str, dict[str, float]] = {}
    for name, members in sorted(groups.items()):
        answered = [row for row in members if row.failure is None]
        table[name] = {
            "accuracy": sum(bool(r.right) for r in answered) / len(answered) if answered else 0.0,
            "n": float(len(answered)),
            "skipped": float(len(members) - len(answered)),
        }
        for metric, measure in (metrics or {}).items():
            table[name] |= _values(metric, measure.summarise(members))
    return table


def _values(metric: str, summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, part in summary.items():
        if not isinstance(part, Mapping):
            continue
        if isinstance(part.get("value"), int | float):
            yield f"{metric}_{name}", float(part["value"])
        elif "value" not in part:
            yield from _values(f"{metric}_{name}", part)
