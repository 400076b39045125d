"""A model ready to be evaluated: behind an endpoint, or a checkpoint in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import (
    AsyncRetrying,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from ffr.cache_jobs.plain_renderer import PlainRenderer
from ffr.config.elect import EndpointConfig
from ffr.config.protocol import EvalProtocol
from ffr.config.rler import EvidenceConfig
from ffr.config.student import StudentConfig
from ffr.elect.candidate import RawCandidate
from ffr.elect.endpoint import ChatEndpoint, EndpointSource
from ffr.elect.source import Request, Source
from ffr.evaluate.electing import Electing
from ffr.evaluate.reply import Asker
from ffr.evaluate.single_pass import SinglePass
from ffr.repair.concurrency import gather_or_raise
from ffr.repair.renderer import Renderer
from rewards.rler import TokenCounter

__all__ = ["OpenModel", "RetryingSource", "asker_for", "open_endpoint", "student_of"]

_NO_LIMIT = 2**31 - 1


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A model with what asking it needs.

    Attributes:
        source: gives responses.
        renderer: makes its prompts.
        in_process: whether it runs here, so that batches decide how it rounds.
        generator: its engine, if it runs here.
        size_multiple: its grid, pixels.
    """

    source: Source
    renderer: Renderer
    in_process: bool = False
    generator: Any = None
    size_multiple: int | None = None


def asker_for(protocol: EvalProtocol, model: OpenModel, media_root: Path) -> Asker:
    """Who asks the model as the protocol says."""
    if protocol.election is None:
        return SinglePass(
            model.renderer, model.source, protocol.sampling, exclusive=model.in_process
        )
    config = protocol.elect_config(model.size_multiple)
    return Electing(model.source, media_root, config, exclusive=model.in_process)


def student_of(
    protocol: EvalProtocol, size_multiple: int | None = None, **more: Any
) -> StudentConfig:
    """The protocol's frames and wording as the renderers take them.

    Args:
        protocol: how.
        size_multiple: of the model's grid.
        more: further settings of the student, such as ``path`` and ``dtype``.
    """
    return StudentConfig(
        frames=protocol.student_frames(size_multiple), prompt=protocol.student_prompt(),
        max_prompt_tokens=protocol.max_prompt_tokens or _NO_LIMIT, **more,
    )  # fmt: skip


def open_endpoint(
    protocol: EvalProtocol, config: EndpointConfig, media_root: Path, *, attempts: int = 3
) -> OpenModel:
    """A model behind an OpenAI-compatible endpoint; frames travel as images behind their times.

    Args:
        protocol: how it is asked.
        config: address, name, limits; the key comes from the environment.
        media_root: folder every video must lie under.
        attempts: calls per question before it fails.

    Raises:
        UserError: a bad address, or no key.
    """
    evidence = EvidenceConfig(citation="times")
    if protocol.election is not None:
        evidence = protocol.election.evidence
    # Repeating is the source's: the client itself asks once.
    endpoint = ChatEndpoint(config.model_copy(update={"retries": 0}))
    source = RetryingSource(EndpointSource(endpoint, evidence), attempts)
    return OpenModel(source, PlainRenderer(student_of(protocol), media_root))


class RetryingSource:
    """Asks again, after a growing random pause, when a call fails for a reason that may pass.

    Args:
        source: who is asked.
        attempts: calls in all.
        most_wait_s: longest pause, seconds.
    """

    def __init__(self, source: Source, attempts: int, *, most_wait_s: float = 20.0) -> None:
        self._source = source
        self._attempts = attempts
        self._most_wait_s = most_wait_s
        self.retries = 0
        """Calls that were made again."""

    @property
    def count_tokens(self) -> TokenCounter | None:
        """As the source."""
        return self._source.count_tokens

    @property
    def write_frame_times(self) -> bool:
        """As the source."""
        return self._source.write_frame_times

    async def generate(self, requests: Sequence[Request]) -> list[RawCandidate]:
        """See ``Source``; every request is repeated on its own."""
        return await gather_or_raise(map(self._one, requests))

    async def aclose(self) -> None:
        """Free what the source holds."""
        await self._source.aclose()

    async def _one(self, request: Request) -> RawCandidate:
        async def call() -> RawCandidate:
            return (await self._source.generate([request]))[0]

        def again(_: object) -> None:
            self.retries += 1

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=0.5, max=self._most_wait_s),
            retry=retry_if_result(lambda raw: raw.error is not None and raw.transient),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
            before_sleep=again,
            sleep=asyncio.sleep,
        )
        raw: RawCandidate = await retrying(call)
        return raw
