"""VAS-C: the same question about grey frames and about another video (spec video_r2 §4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ffr.errors import UserError
from ffr.evaluate.metrics.attention import forced_student
from ffr.evaluate.metrics.registry import MetricContext, Seen, register_metric
from ffr.evaluate.rows import ItemRow
from ffr.evaluate.vas_c import ReplacedVideos, vas_c
from rewards.video_r2.vas_counterfactual import CounterfactualRow, counterfactual_report
from student.counterfactual import choose_donors
from student.prompt_parts import StudentPrompt
from teacher_tools.media.errors import MediaError

__all__ = ["Counterfactual"]

NAME = "vas_c"


class Counterfactual:
    """Needs a checkpoint in this process; replaced prompts are answered greedily.

    Each question is paired with the video of another one, drawn by ``sampling.seed``.
    """

    def __init__(self, context: MetricContext) -> None:
        if context.protocol.sampling.temperature > 0:
            raise UserError(
                "metrics: vas_c needs sampling.temperature=0, or chance would count as a change"
            )
        self._student = forced_student(context, NAME)
        self._generator = context.generator
        self._most = context.protocol.sampling.max_new_tokens
        grid = self._generator.processor.size_multiple
        self._videos = ReplacedVideos(context.protocol.student_frames(grid), context.media_root)
        donors = choose_donors(context.videos, seed=context.protocol.sampling.seed)
        self._donors = dict(zip(context.videos, donors, strict=True))

    async def item(self, seen: Seen) -> Mapping[str, Any]:
        """The changes for each way of replacing the video; ``problem`` where there are none."""
        assert seen.reply.prompt is not None
        prompt = seen.reply.prompt
        found = {"grey": await self._compare(seen, prompt, await self._videos.grey(prompt))}
        donor = self._donors.get(seen.question.video)
        try:
            if donor is None:
                found["other"] = {"problem": "no other video"}
            else:
                other = await self._videos.other(prompt, donor)
                found["other"] = {**await self._compare(seen, prompt, other), "donor": donor}
        except MediaError as error:
            found["other"] = {"problem": f"{type(error).__name__}: {error}", "donor": donor}
        return found

    def summarise(self, rows: Sequence[ItemRow]) -> Mapping[str, Any]:
        """Reliance and drops for each way, with 95 % intervals, resampled by video."""
        return {kind: _report(rows, kind) for kind in ("grey", "other")}

    async def _compare(
        self, seen: Seen, prompt: StudentPrompt, replaced: StudentPrompt
    ) -> dict[str, Any]:
        assert seen.reply.raw is not None
        raw = seen.reply.raw
        try:
            row = await vas_c(
                seen.question, prompt, raw.text, replaced, self._answer, student=self._student,
                response_ids=raw.token_ids,
            )
        except ValueError as error:  # the text writes a control token
            return {"problem": str(error)}
        return asdict(row)

    async def _answer(self, prompt: StudentPrompt) -> str:
        return await asyncio.to_thread(self._generate, prompt)

    def _generate(self, prompt: StudentPrompt) -> str:
        from student.generate import GenerationRequest
        from student.sampling import SamplingParams

        processor = self._generator.processor
        sampling = SamplingParams(max_new_tokens=self._most, temperature=0.0)
        request = GenerationRequest(processor.encode(prompt), sampling)
        (output,) = self._generator.generate([request])
        return str(processor.decode(output.token_ids))


def _report(rows: Sequence[ItemRow], kind: str) -> dict[str, Any]:
    known = [(row.video, row.metrics[NAME][kind]) for row in rows if NAME in row.metrics]
    good = [(video, data) for video, data in known if "problem" not in data]
    report = counterfactual_report(
        [_row(data) for _, data in good], clusters=[video for video, _ in good]
    )
    return {**asdict(report), "not_measured": len(known) - len(good)}


def _row(data: Mapping[str, Any]) -> CounterfactualRow:
    return CounterfactualRow(**{k: v for k, v in data.items() if k != "donor"})


register_metric(NAME, Counterfactual)
