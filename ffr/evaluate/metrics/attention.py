"""VAS-A: attention on video tokens while the reasoning is written (spec video_r2 §4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ffr.errors import UserError
from ffr.evaluate.metrics.registry import MetricContext, Seen, register_metric
from ffr.evaluate.rows import ItemRow
from ffr.evaluate.vas_a import vas_a
from rewards.video_r2.resampling import Estimate, merged, ratio

if TYPE_CHECKING:
    from student.forced import ForcedStudent

__all__ = ["VideoAttention", "forced_student"]

NAME = "vas_a"


class VideoAttention:
    """Needs a checkpoint in this process and one response a question."""

    def __init__(self, context: MetricContext) -> None:
        if not context.protocol.thinking:
            raise UserError("metrics: vas_a needs thinking=true; leave it out")
        self._student = forced_student(context, NAME)

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """The three numbers and the mean over heads of each reasoning token."""
        assert seen.reply.prompt is not None
        assert seen.reply.raw is not None
        raw = seen.reply.raw
        try:
            score = await asyncio.to_thread(
                vas_a, self._student, seen.reply.prompt, raw.token_ids or raw.text
            )
        except ValueError as error:  # the text writes a control token
            return {"vas": None, "problem": str(error)}
        return {**asdict(score), "per_token": [round(x, 6) for x in score.per_token]}

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """Means over responses with 95 % intervals, resampled by video."""
        measured = [row for row in rows if NAME in row.metrics]
        return {
            key: asdict(_mean(measured, key)) for key in ("vas", "lift", "no_sink")
        } | {"n": len(measured)}


def forced_student(context: MetricContext, name: str) -> ForcedStudent:
    """The evaluated checkpoint, to be given responses.

    Raises:
        UserError: the model is behind an endpoint, or an election has no one prompt.
    """
    if context.generator is None:
        raise UserError(
            f"metrics: {name} needs a checkpoint in this process; evaluate with --model, or leave "
            "it out"
        )
    if context.protocol.election is not None:
        raise UserError(f"metrics: {name} needs one response a question; leave out election")
    from student.forced import ForcedStudent

    generator = context.generator
    return ForcedStudent(generator.model, generator.processor, lock=generator.lock)


def _mean(rows: Sequence[ItemRow], key: str) -> Estimate:
    known = [(row.video, row.metrics[NAME].get(key)) for row in rows]
    pairs = [(float(value), 1.0) for _, value in known if value is not None]
    videos = [video for video, value in known if value is not None]
    return ratio(merged(pairs, videos))


register_metric(NAME, VideoAttention)
