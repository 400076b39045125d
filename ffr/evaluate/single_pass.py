"""One response a question: render, generate together, and nobody's failure is another's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from ffr.config.protocol import SamplingSection
from ffr.data.question import AskedQuestion, Question, option_letters
from ffr.elect.candidate import RawCandidate
from ffr.elect.source import Request, Sampling, Source
from ffr.errors import FfrError
from ffr.evaluate.reply import ModelStoppedError, Reply, item_seed
from ffr.evaluate.rows import Failure
from ffr.patches.patch import NoPatch
from ffr.repair.concurrency import gather_or_raise
from ffr.repair.protocols import FailedRollout, Teacher
from ffr.repair.renderer import Renderer
from student.prompt_parts import StudentPrompt
from teacher_tools.media import MediaError

__all__ = ["SinglePass", "stand_in_answer"]


class SinglePass:
    """``Asker`` with one response a question.

    Args:
        renderer: makes the prompts.
        source: gives the responses.
        sampling: how.
        teacher: when given, prompts carry its evidence patch. It is asked about a stand-in
            failure (the first wrong option, or no answer at all), so that the same patches serve
            every checkpoint and comparisons are paired.
        exclusive: one batch is generated at a time, so that it always holds the same sequences:
            for a model in this process, whose batches decide how it rounds.
    """

    def __init__(
        self, renderer: Renderer, source: Source, sampling: SamplingSection,
        teacher: Teacher | None = None, *, exclusive: bool = False,
    ) -> None:
        self._renderer = renderer
        self._source = source
        self._sampling = sampling
        self._teacher = teacher
        self._gate = asyncio.Lock() if exclusive else contextlib.nullcontext()

    async def ask(self, batch: Sequence[AskedQuestion]) -> list[Reply]:
        """See ``Asker``; the whole batch is generated together."""
        shown = await gather_or_raise(map(self._prompt, batch))
        asked = [
            (position, Request(reply.prompt, self._sampling_of(question)))
            for position, (question, reply) in enumerate(zip(batch, shown, strict=True))
            if reply.prompt is not None
        ]
        raws = await self._generate([request for _, request in asked])
        replies = list(shown)
        for (position, _), raw in zip(asked, raws, strict=True):
            before = shown[position]
            if isinstance(raw, Failure):
                replies[position] = Reply(failure=raw, patch_id=before.patch_id)
            else:
                replies[position] = Reply(
                    raw=raw, prompt=before.prompt, patch_id=before.patch_id, seconds=raw.seconds
                )
        return replies

    async def _generate(self, requests: Sequence[Request]) -> list[RawCandidate | Failure]:
        if not requests:
            return []
        async with self._gate:
            return await self._together(requests)

    async def _together(self, requests: Sequence[Request]) -> list[RawCandidate | Failure]:
        try:
            raws = await self._source.generate(requests)
        except ModelStoppedError:
            raise
        except FfrError as error:
            if len(requests) == 1:
                return [Failure(kind="model", detail=_words(error))]
            # One prompt may have spoilt the batch: ask one by one to find it.
            return [found for r in requests for found in await self._together([r])]
        return [
            raw if raw.error is None else Failure(kind="endpoint", detail=raw.error) for raw in raws
        ]

    async def _prompt(self, question: AskedQuestion) -> Reply:
        try:
            patch_id, prompt = await self._render(question)
        except _NoEvidenceError as error:
            return Reply(failure=Failure(kind="no_patch", detail=str(error)))
        except MediaError as error:
            return Reply(failure=Failure(kind="media", detail=_words(error)))
        except FfrError as error:
            return Reply(failure=Failure(kind="prompt", detail=_words(error)))
        return Reply(prompt=prompt, patch_id=patch_id)

    async def _render(self, question: AskedQuestion) -> tuple[str | None, StudentPrompt]:
        if self._teacher is None:
            return None, await self._renderer.question(question.asked)
        if not isinstance(question, Question):
            raise _NoEvidenceError("no patch: teachers are asked about questions with gold answers")
        wrong = stand_in_answer(question)
        diagnosis = await self._teacher.diagnose(
            FailedRollout(question, f"<think></think><answer>{wrong}</answer>", wrong)
        )
        patch = diagnosis.outcome
        if isinstance(patch, NoPatch):
            raise _NoEvidenceError(f"no patch: {patch.reason}: {patch.detail}")
        return patch.patch_id, await self._renderer.patched(question.asked, patch)

    def _sampling_of(self, question: AskedQuestion) -> Sampling:
        given = self._sampling
        return Sampling(
            given.temperature, given.top_p, given.max_new_tokens,
            item_seed(given.seed, question.id),
        )  # fmt: skip


class _NoEvidenceError(FfrError):
    """There is no patch for a question; the message is the reason."""


def stand_in_answer(question: Question) -> str:
    """A wrong answer to be diagnosed: the first wrong option, else ``unknown``."""
    if question.answer_type == "choice":
        return next(x for x in option_letters(len(question.options)) if x != question.answer)
    return "unknown"


def _words(error: FfrError) -> str:
    return f"{type(error).__name__}: {error}"
