"""The teacher view: calls, tools, rounds, spend, failures by kind, reuse of patches."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from ffr.report.source import Source
from ffr.report.tally import Tally
from ffr.run.totals import RepairTotals

__all__ = ["teacher_data"]

_PERCENTS = (50, 90, 99)


def teacher_data(source: Source, totals: RepairTotals, tally: Tally) -> dict[str, Any] | None:
    """Plain data of one run; ``None`` when nothing was ever asked for."""
    if not totals.asked:
        return None
    calls = totals.counters.get("calls", 0.0)
    return {
        "asked": totals.asked,
        "sources": dict(tally.sources),
        "live": totals.teacher_calls,
        "model_calls": calls,
        "rounds": calls / totals.teacher_calls if totals.teacher_calls and calls else None,
        "seconds": {f"p{p}": _percentile(tally.seconds, p) for p in _PERCENTS},
        "tools": {name: list(pair) for name, pair in sorted(totals.tools.items())},
        "no_patch": dict(totals.no_patch.most_common()),
        "spend": _spend(source, totals),
        "counters": dict(sorted(totals.counters.items())),
        "store": {"hits": totals.store_hits, "misses": totals.store_misses},
        "reuse": _reuse(tally),
        "error_types": _error_types(source, tally),
        "success": {"shown": totals.second, "right": totals.succeeded, "in_view": totals.in_view},
    }


def _spend(source: Source, totals: RepairTotals) -> dict[str, float | None]:
    tokens_in = totals.counters.get("tokens_in", 0.0)
    tokens_out = totals.counters.get("tokens_out", 0.0)
    prices = [source.setting(f"teacher.price_{side}") for side in ("input", "output")]
    cost = None
    if all(isinstance(price, int | float) for price in prices):
        cost = (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6  # prices: per million tokens
    return {"tokens_in": tokens_in, "tokens_out": tokens_out, "cost": cost}


def _reuse(tally: Tally) -> dict[str, Any]:
    times = Counter(min(n, 8) for n in tally.uses.values())
    return {
        "patches": len(tally.uses),
        "shown": sum(tally.uses.values()),
        "times": {f"{n}{'+' if n == 8 else ''}": times[n] for n in sorted(times)},
    }


def _error_types(source: Source, tally: Tally) -> dict[str, int]:
    found: Counter[str] = Counter()
    for patch_id, uses in tally.uses.items():
        record = source.patches.get(patch_id)
        if record is not None and record.patch is not None:
            for name in record.patch.error_types:
                found[name] += uses
    return dict(found.most_common())


def _percentile(values: list[float], percent: int) -> float | None:
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
