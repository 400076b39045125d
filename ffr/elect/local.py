"""Candidates from a checkpoint run in this process with transformers.

Requests made together run as one batch, whatever their temperature: the engine takes sampling
parameters per sequence and prefills equal prompts once.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ffr.config.elect import ElectConfig
from ffr.elect.answer_span import span_in_tokens
from ffr.elect.candidate import RawCandidate
from ffr.elect.source import Request
from ffr.errors import UserError
from ffr.repair.concurrency import gather_or_raise
from rewards.rler import TokenCounter
from student.batching import MicroBatcher

if TYPE_CHECKING:
    from student.generate import BatchGenerator, GenerationOutput, GenerationRequest

__all__ = ["LocalSource"]


class LocalSource:
    """``Source`` over a generator of ``student.generate``.

    The log-probabilities it reports are those under the sampling temperature (1 where greedy), so
    as a confidence those of cool views are larger.

    Args:
        generator: the engine with its processor.
        max_batch: most sequences generated together.
        window_s: seconds to wait for more requests.
    """

    def __init__(
        self, generator: BatchGenerator, *, max_batch: int = 64, window_s: float = 0.005
    ) -> None:
        self._generator = generator
        self._processor = generator.processor
        # A copy: fast tokenizers do not allow concurrent use, and prompts are encoded in threads.
        self._tokenizer = copy.deepcopy(generator.processor.tokenizer)
        self._batcher: MicroBatcher[GenerationRequest, GenerationOutput] = MicroBatcher(
            generator.generate, max_batch=max_batch, window_s=window_s
        )

    @classmethod
    def load(cls, config: ElectConfig, *, max_batch: int = 64) -> LocalSource:
        """The checkpoint ``config.student.path`` on ``config.device``.

        Raises:
            UserError: no path, a checkpoint that cannot be loaded, or no transformers.
        """
        student = config.student
        if student is None or student.path is None:
            raise UserError("student.path is not set; give a checkpoint folder with --checkpoint")
        try:
            from student.generate import BatchGenerator
            from student.model import load_model
            from student.processor import StudentProcessor
        except ImportError as error:
            raise UserError(
                f"running a checkpoint needs the extra 'train' ({error}); install it, or give an "
                "endpoint with --endpoint"
            ) from error
        processor = StudentProcessor(student.path, max_prompt_tokens=student.max_prompt_tokens)
        model = load_model(student.path, student, device=config.device)
        return cls(BatchGenerator(model, processor), max_batch=max_batch)

    @property
    def count_tokens(self) -> TokenCounter | None:
        """Tokens of a text under the checkpoint's tokenizer, special tokens left out."""
        return self._count

    @property
    def write_frame_times(self) -> bool:
        """As the checkpoint's processor needs it."""
        return self._processor.write_frame_times

    @property
    def batches(self) -> int:
        """Batches generated so far."""
        return self._batcher.batches

    async def generate(self, requests: Sequence[Request]) -> list[RawCandidate]:
        """One response per request, all in one batch (up to ``max_batch``).

        Raises:
            UserError: a prompt is over the token limit.
            DivergedError: the model's logits are no numbers.
        """
        started = time.monotonic()
        encoded = await asyncio.to_thread(self._encode, requests)
        outputs = await gather_or_raise(map(self._batcher.submit, encoded))
        seconds = time.monotonic() - started
        return [
            self._read(request, output, seconds)
            for request, output in zip(encoded, outputs, strict=True)
        ]

    async def aclose(self) -> None:
        """Free the worker thread."""
        self._batcher.close()

    def _encode(self, requests: Sequence[Request]) -> list[GenerationRequest]:
        from student.generate import GenerationRequest
        from student.sampling import SamplingParams

        return [
            GenerationRequest(
                self._processor.encode(request.prompt), SamplingParams(**vars(request.sampling))
            )
            for request in requests
        ]

    def _read(
        self, request: GenerationRequest, output: GenerationOutput, seconds: float
    ) -> RawCandidate:
        span = span_in_tokens(output.token_ids, self._processor.decode)
        return RawCandidate(
            text=self._processor.decode(output.token_ids),
            truncated=output.finish_reason == "length",
            answer_log_probs=tuple(output.log_probs[i] for i in span),
            log_probs=output.log_probs,
            prompt_tokens=len(request.prompt.prompt_ids),
            completion_tokens=len(output.token_ids),
            seconds=seconds,
            token_ids=output.token_ids,
        )

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])
