"""VAS-J: how far the reasoning *claims* visual evidence, by a text judge (spec video_r2 §4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ffr.data.question import AskedQuestion, option_letters
from ffr.errors import UserError
from ffr.evaluate.metrics.registry import MetricContext, Seen, register_metric
from ffr.evaluate.rows import ItemRow
from rewards.video_r2.judging import Judged
from rewards.video_r2.vas_claims import claimed_grounding, vas_report

__all__ = ["ClaimedGrounding"]

NAME = "vas_j"


class ClaimedGrounding:
    """Needs a judge in the protocol."""

    def __init__(self, context: MetricContext) -> None:
        if context.judge is None:
            raise UserError("metrics: vas_j needs a judge; set judge.model and judge.base_url")
        self._judge = context.judge

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """The score from 0 to 10, or why there is none."""
        prompt = seen.reply.prompt.text if seen.reply.prompt else _words(seen.question.asked)
        judged = await claimed_grounding(prompt, seen.parsed.think, self._judge)
        return {"score": judged.value, "problem": judged.problem}

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """Mean score times ten, resampled by video."""
        measured = [row for row in rows if NAME in row.metrics]
        scores = [
            Judged[int](row.metrics[NAME]["score"], row.metrics[NAME]["problem"])
            for row in measured
        ]
        return asdict(vas_report(scores, clusters=[row.video for row in measured]))


def _words(asked: AskedQuestion) -> str:
    letters = option_letters(len(asked.options))
    options = [f"{x}. {o}" for x, o in zip(letters, asked.options, strict=True)]
    return "\n".join([asked.question, *options])


register_metric(NAME, ClaimedGrounding)
