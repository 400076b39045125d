"""An elected answer a question, as an evaluation asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from ffr.config.elect import ElectConfig
from ffr.data.question import AskedQuestion
from ffr.elect.ask import ask
from ffr.elect.candidate import RawCandidate
from ffr.elect.record import CandidateRecord, ElectionRecord
from ffr.elect.source import Source
from ffr.errors import FfrError, UserError
from ffr.evaluate.reply import ModelStoppedError, Reply
from ffr.evaluate.rows import Failure
from ffr.repair.concurrency import gather_or_raise
from teacher_tools.media import MediaError

__all__ = ["Electing", "best_supporter"]


class Electing:
    """``Asker`` that holds an election for every question.

    Args:
        source: the model.
        media_root: folder every video must lie under.
        config: of the election.
        exclusive: one election is held at a time: for a model in this process, whose batches
            decide how it rounds.
    """

    def __init__(
        self, source: Source, media_root: Path, config: ElectConfig, *, exclusive: bool = False
    ) -> None:
        self._source = source
        self._root = media_root
        self._config = config
        self._gate = asyncio.Lock() if exclusive else contextlib.nullcontext()

    async def ask(self, batch: Sequence[AskedQuestion]) -> list[Reply]:
        """See ``Asker``; each question is an election of its own."""
        return await gather_or_raise(map(self._one, batch))

    async def _one(self, question: AskedQuestion) -> Reply:
        try:
            async with self._gate:
                record = (await ask(question, self._root, self._source, self._config)).record
        except ModelStoppedError:
            raise
        except MediaError as error:
            return Reply(failure=Failure(kind="media", detail=f"{type(error).__name__}: {error}"))
        except FfrError as error:
            kind = "prompt" if isinstance(error, UserError) else "model"
            return Reply(failure=Failure(kind=kind, detail=f"{type(error).__name__}: {error}"))
        if record.status == "failed":
            return Reply(failure=Failure(kind="endpoint", detail=record.candidates[0].detail))
        best = best_supporter(record)
        raw = RawCandidate(
            best.text if best else "", prompt_tokens=record.prompt_tokens,
            completion_tokens=record.completion_tokens,
        )  # fmt: skip
        return Reply(raw=raw, election=_timeless(record), seconds=record.seconds)


def best_supporter(record: ElectionRecord) -> CandidateRecord | None:
    """The candidate whose vote for the elected answer weighs most; ``None`` without an answer."""
    if not record.votes:
        return None
    backers = set(record.votes[0].supporters)
    voters = [c for c in record.candidates if c.view in backers]
    return max(voters, key=lambda c: (c.weight or 0.0, -c.view), default=None)


def _timeless(record: ElectionRecord) -> ElectionRecord:
    candidates = tuple(c.model_copy(update={"seconds": 0.0}) for c in record.candidates)
    return record.model_copy(update={"seconds": 0.0, "candidates": candidates})
