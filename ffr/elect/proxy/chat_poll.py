"""A chat request as a poll: the client's messages under each view, with RLER's instruction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ffr.config.elect import ElectConfig
from ffr.elect.answers import AnswerReader
from ffr.elect.candidate import CandidateReader, RawCandidate
from ffr.elect.endpoint import ChatEndpoint
from ffr.elect.prompts import answer_instruction, frame_caption, referee_instruction
from ffr.elect.proxy.images import shown_jpeg
from ffr.elect.proxy.request import ChatAsk
from ffr.elect.referee import Claim
from ffr.elect.source import Sampling
from ffr.elect.views import View, request_seed
from ffr.elect.wire import image_block
from ffr.repair.concurrency import gather_or_raise
from rewards.rler import CitationScale

__all__ = ["ChatPoll", "request_config"]

Block = dict[str, Any]


def request_config(asked: ChatAsk, config: ElectConfig) -> ElectConfig:
    """The settings of one request: its seed, citations by number, only views that can be shown.

    Pixels behind an address are fetched by the endpoint, never here, so such images are asked
    about under different temperatures only.
    """
    views = config.views
    if not asked.changeable:
        views = views.model_copy(update={"crops": False, "brightness": False})
    evidence = config.evidence.model_copy(update={"citation": "frames", "length_unit": "words"})
    seed = config.seed if asked.seed is None else asked.seed
    return config.model_copy(update={"views": views, "evidence": evidence, "seed": seed})


class ChatPoll:
    """One chat request.

    Args:
        asked: the checked request.
        endpoint: where candidates come from.
        config: from ``request_config``.
    """

    def __init__(self, asked: ChatAsk, endpoint: ChatEndpoint, config: ElectConfig) -> None:
        self._asked = asked
        self._endpoint = endpoint
        self._config = config
        self._base = config.evidence.index_base
        self._reader = CandidateReader(
            AnswerReader("any"), CitationScale(asked.images, self._base), config.evidence,
            span=config.confidence_span,
        )

    @property
    def reader(self) -> CandidateReader:
        """How candidates are read; the type of the answer is unknown here."""
        return self._reader

    async def candidates(self, views: Sequence[View]) -> list[RawCandidate]:
        """Ask under several views concurrently."""
        return await gather_or_raise(map(self._candidate, views))

    async def _candidate(self, view: View) -> RawCandidate:
        if view.plain:
            messages = self._messages(view)
        else:
            messages = await asyncio.to_thread(self._messages, view)
        views = self._config.views
        seed = request_seed(self._config.seed, self._asked.fingerprint, view)
        return await self._endpoint.complete(
            messages,
            Sampling(view.temperature, views.top_p, views.max_new_tokens, seed),
            self._asked.model,
        )

    async def check(self, claim: Claim) -> RawCandidate:
        """Show the model the cited images and the client's text, and ask for its verdict."""
        referee = self._config.referee
        kept = set(claim.units or self._uniform(referee.max_frames))
        blocks: list[Block] = []
        number = self._base - 1
        for message in self._asked.messages:
            for block in message["content"]:
                if block["type"] == "image_url":
                    number += 1
                    if number not in kept:
                        continue
                    blocks.append(_text(f"{frame_caption(number, None)}:"))
                blocks.append(block)
        blocks.append(_text(referee_instruction(claim)))
        return await self._endpoint.complete(
            [{"role": "user", "content": blocks}],
            Sampling(0.0, 1.0, referee.max_new_tokens, self._config.seed % 2**31),
            self._asked.model,
        )

    def _messages(self, view: View) -> list[dict[str, Any]]:
        number = self._base - 1
        messages: list[dict[str, Any]] = []
        for message in self._asked.messages:
            blocks: list[Block] = []
            for block in message["content"]:
                if block["type"] == "image_url":
                    number += 1
                    blocks.append(_text(f"{frame_caption(number, None)}:"))
                    if not view.plain:
                        block = image_block(shown_jpeg(block["image_url"]["url"], view))
                blocks.append(block)
            messages.append({"role": message["role"], "content": blocks})
        instruction = answer_instruction("any", self._asked.images, self._base)
        messages[-1]["content"].append(_text(f"\n\n{instruction}"))
        if not self._asked.has_media:  # plain text for endpoints that take nothing else
            for message in messages:
                message["content"] = "\n".join(block["text"] for block in message["content"])
        return messages

    def _uniform(self, most: int) -> list[int]:
        count = self._asked.images
        shown = min(most, count)
        return [int((i + 0.5) * count / shown) + self._base for i in range(shown)]


def _text(text: str) -> Block:
    return {"type": "text", "text": text}
