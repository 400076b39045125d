"""Temporal grounding: mIoU and R1 at the usual thresholds, over questions for a stretch of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ffr.evaluate.metrics.registry import MetricContext, Seen, register_metric
from ffr.evaluate.rows import ItemRow
from rewards.video_r2.resampling import merged, ratio

__all__ = ["Grounding"]

NAME = "grounding"
_THRESHOLDS = (0.3, 0.5, 0.7)


class Grounding:
    """Questions of type ``span``; an answer that is no stretch of time has IoU 0."""

    def __init__(self, context: MetricContext) -> None:
        del context  # nothing is to be set

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """``iou`` in [0, 1]; empty for other questions."""
        return {"iou": seen.row.accuracy} if seen.question.answer_type == "span" else {}

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """``miou`` and ``r1@T`` with intervals by video; ``None`` without such questions."""
        found = [(row.video, row.metrics[NAME]["iou"]) for row in rows if row.metrics.get(NAME)]
        videos = [video for video, _ in found]

        def mean(values: Sequence[float]) -> dict[str, Any]:
            return asdict(ratio(merged([(value, 1.0) for value in values], videos)))

        return {
            "miou": mean([iou for _, iou in found]),
            # A rounding error below 0.5 is 0.5, as for what counts as right.
            **{f"r1@{t}": mean([float(iou >= t - 1e-12) for _, iou in found]) for t in _THRESHOLDS},
            "items": len(found),
        }


register_metric(NAME, Grounding)
