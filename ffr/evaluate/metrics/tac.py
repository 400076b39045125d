"""Think-Answer Consistency of every response (spec video_r2 §3), over ``rewards.video_r2.tac``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ffr.errors import UserError
from ffr.evaluate.metrics.registry import MetricContext, Seen, register_metric
from ffr.evaluate.rows import ItemRow
from rewards.video_r2.tac import TacRow, judged_row, tac_report, tac_row

__all__ = ["Tac"]

NAME = "tac"


class Tac:
    """Rules read what the reasoning concludes; a judge, where the protocol has one, the rest."""

    def __init__(self, context: MetricContext) -> None:
        if not context.protocol.thinking:
            raise UserError("metrics: tac needs thinking=true; leave it out")
        self._judge = context.judge

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """What was concluded, and whether that is what was answered."""
        if self._judge is None:
            row = tac_row(seen.question, seen.parsed)
        else:
            row = await judged_row(seen.question, seen.parsed, self._judge)
        return asdict(row)

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """The four readings with coverage and 95 % intervals, resampled by video."""
        measured = [row for row in rows if NAME in row.metrics]
        report = tac_report(
            [TacRow(**row.metrics[NAME]) for row in measured],
            clusters=[row.video for row in measured],
        )
        return asdict(report)


register_metric(NAME, Tac)
