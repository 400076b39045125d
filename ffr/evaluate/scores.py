"""From items to ``scores.json``: every number with its interval, its count and its name.

*Accuracy* is the share of items whose answer is right, *score* the mean of the graded scores
(mean relative accuracy for ``regression``, word and overlap scores for ``ocr`` and ``free_form``).
Items without a response count as wrong in both, so that failing cannot raise a score;
``answered_only`` leaves them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ffr.elect.diagnostics import summarise
from ffr.evaluate.intervals import Interval, macro_mean, mean
from ffr.evaluate.metrics.registry import Metric
from ffr.evaluate.rows import ItemRow

__all__ = ["score_rows"]

Value = Callable[[ItemRow], float]


def score_rows(rows: Sequence[ItemRow], metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """All scores of an evaluation as plain JSON data; a share without items is ``None``.

    Args:
        rows: all items.
        metrics: those the rows were measured with.
    """
    answered = [row for row in rows if row.failure is None]
    failed = Counter(row.failure.kind for row in rows if row.failure is not None)
    numeric = [row for row in rows if row.answer_type in ("number", "regression")]
    found: dict[str, Any] = {
        "items": len(rows),
        "videos": len({row.video for row in rows}),
        "answered": len(answered),
        "failed": dict(sorted(failed.items())),
        "accuracy": _breakdown(rows, _right),
        "score": _breakdown(rows, _graded),
        "mra": _mean(numeric, lambda row: row.mra or 0.0),
        "truncated": _mean(answered, lambda row: float(row.truncated)),
        "no_answer": _mean(answered, lambda row: float(row.answer is None)),
        "malformed": _mean(answered, lambda row: float(not row.well_formed)),
        "problems": dict(sorted(Counter(p for row in answered for p in row.problems).items())),
        "tokens": {
            "prompt": sum(row.prompt_tokens for row in answered),
            "completion": sum(row.completion_tokens for row in answered),
        },
        "metrics": {name: dict(metric.summarise(rows)) for name, metric in metrics.items()},
    }
    elections = [row.election for row in answered if row.election is not None]
    if elections:
        found["election"] = summarise(elections)
    return found


def _breakdown(rows: Sequence[ItemRow], value: Value) -> dict[str, Any]:
    values, videos = [value(row) for row in rows], [row.video for row in rows]
    families, types = [_family(row) for row in rows], [row.answer_type for row in rows]
    return {
        "micro": mean(values, videos).model_dump(),
        "macro_family": macro_mean(values, videos, families).model_dump(),
        "macro_type": macro_mean(values, videos, types).model_dump(),
        "answered_only": _mean([row for row in rows if row.failure is None], value),
        "by_family": {
            name: _mean([row for row in rows if _family(row) == name], value)
            for name in sorted(set(families))
        },
        "by_type": {
            name: _mean([row for row in rows if row.answer_type == name], value)
            for name in sorted(set(types))
        },
    }


def _mean(rows: Sequence[ItemRow], value: Value) -> dict[str, Any]:
    found: Interval = mean([value(row) for row in rows], [row.video for row in rows])
    return found.model_dump()


def _right(row: ItemRow) -> float:
    return float(bool(row.right))


def _graded(row: ItemRow) -> float:
    return row.score or 0.0


def _family(row: ItemRow) -> str:
    return row.family or "none"
