"""A student behind an OpenAI-compatible endpoint, for its answers only.

It is asked as ``ffr eval`` and ``ffr elect`` ask: every frame as an image behind a line with its
time, then the question. It gives no tokens, so its rollouts can be judged but not trained.
"""

from __future__ import annotations

from collections import Counter

from ffr.config.cache import StudentEndpointConfig
from ffr.config.elect import EndpointConfig
from ffr.config.rler import EvidenceConfig
from ffr.elect.endpoint import ChatEndpoint, EndpointSource
from ffr.elect.source import Request, Sampling
from ffr.elect.views import sequence_seed
from ffr.errors import FfrError, UserError
from ffr.repair.protocols import Rollout
from student.prompt_parts import StudentPrompt

__all__ = ["EndpointStudent", "StudentCallError"]


class StudentCallError(FfrError):
    """The endpoint gave no response; the message says why."""


class EndpointStudent:
    """``ffr.repair.protocols.Student`` over HTTP; use it from one event loop.

    Args:
        config: address, model, limits; the key comes from the environment.
        temperature: sampling temperature; 0 is greedy.
        max_tokens: most tokens of one response.
        seed: of the job; every answer to a question has a seed of its own.

    Raises:
        UserError: an address that is not on this machine, and no key in the environment.
    """

    def __init__(
        self, config: StudentEndpointConfig, *, temperature: float, max_tokens: int, seed: int = 0
    ) -> None:
        try:
            endpoint = ChatEndpoint(
                EndpointConfig(
                    base_url=config.base_url, model=config.model, api_key_env=config.api_key_env,
                    timeout_s=config.call_timeout_s, retries=config.retries,
                    concurrency=config.concurrency,
                )
            )  # fmt: skip
        except UserError as error:
            named = str(error).replace("endpoint.", "failures.student.endpoint.")
            raise UserError(named) from error
        self._source = EndpointSource(endpoint, EvidenceConfig(citation="times"))
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._seed = seed
        self._asked: Counter[str] = Counter()

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        """One response; ``token_ids`` is empty.

        Raises:
            StudentCallError: the endpoint failed after every retry.
        """
        seed = sequence_seed(self._seed, prompt.question_id, self._asked[prompt.question_id])
        self._asked[prompt.question_id] += 1
        sampling = Sampling(self._temperature, 1.0, self._max_tokens, seed)
        (raw,) = await self._source.generate([Request(prompt, sampling)])
        if raw.error is not None:
            raise StudentCallError(raw.error)
        return Rollout(prompt, raw.text, (), "length" if raw.truncated else "stop")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._source.aclose()
