"""The policy under training, behind verl's rollout servers, as a ``Student``."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import Any
from uuid import uuid4

from ffr.repair.protocols import Rollout
from ffr.train.rendering import PromptRenderer
from ffr.train.verl.engine_request import EngineRequests
from student.prompt_parts import StudentPrompt

__all__ = ["EngineStudent"]


class EngineStudent:
    """Answers the prompts of one group.

    Every request carries a seed derived from run seed, step, question, patch and the
    number of times that prompt was asked, so that a rollout does not depend on the order
    in which requests reach the engine.
    """

    def __init__(
        self,
        client: Any,
        renderer: PromptRenderer,
        requests: EngineRequests,
        sampling_params: dict[str, Any],
        seed_parts: tuple[object, ...],
    ) -> None:
        self._client = client
        self._renderer = renderer
        self._requests = requests
        self._sampling = sampling_params
        self._seed_parts = seed_parts
        self._asked: Counter[str] = Counter()

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        """Sample one response; engine errors are raised as they come.

        Raises:
            PromptMismatchError: the engine read another prompt than the trainer will.
        """
        sampling = {**self._sampling, "seed": self._seed(prompt.patch_id or "")}
        encoded = await self._renderer.encode(prompt)
        request = await asyncio.to_thread(self._requests.build, prompt, encoded, sampling)
        output = await self._client.generate(request_id=uuid4().hex, **request)
        self._requests.check(prompt, encoded, output.extra_fields)
        return Rollout(
            prompt=prompt,
            text=self._renderer.decode(output.token_ids),
            token_ids=tuple(output.token_ids),
            finish_reason="length" if self._renderer.is_cut_off(output.token_ids) else "stop",
            log_probs=tuple(output.log_probs) if output.log_probs else None,
            prompt_ids=tuple(encoded.prompt_ids),
        )

    def _seed(self, patch_id: str) -> int:
        turn = self._asked[patch_id]
        self._asked[patch_id] += 1
        digest = hashlib.sha256(repr((*self._seed_parts, patch_id, turn)).encode()).digest()
        return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
