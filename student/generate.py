"""Batched generation with transformers: the engine where vLLM is not wanted.

Distinct prompts are prefilled once, vision tower included; their caches are then copied to the
sequences that share them, and finished sequences leave the batch.  ``model.generate`` would
prefill every copy and keep finished rows to the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ffr.config.student import StudentConfig
from ffr.errors import UserError
from ffr.repair.protocols import Rollout
from student.batching import MicroBatcher
from student.model import load_model
from student.processor import EncodedPrompt, StudentProcessor
from student.prompt_parts import StudentPrompt
from student.sampling import SamplingParams, TokenSampler

__all__ = ["BatchGenerator", "BatchedStudent", "GenerationOutput", "GenerationRequest"]

_COMPACT_BELOW = 0.75  # drop finished rows when this share of the batch or less still runs


@dataclass(frozen=True, eq=False)
class GenerationRequest:
    """One sequence wanted."""

    prompt: EncodedPrompt
    sampling: SamplingParams


@dataclass(frozen=True)
class GenerationOutput:
    """One sequence: tokens with the end token if one was sampled, and their log-probabilities.

    ``log_probs`` are those of ``TokenSampler.sample``.
    """

    token_ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    finish_reason: Literal["stop", "length"]


class BatchGenerator:
    """Synchronous generation for a list of requests; one call at a time, others wait.

    Args:
        model: a Qwen-VL ``...ForConditionalGeneration`` in evaluation mode.
        processor: of the same checkpoint.
        max_prefill_tokens: distinct prompts are prefilled in slices of at most this many padded
            tokens, which bounds memory.
    """

    def __init__(
        self, model: Any, processor: StudentProcessor, *, max_prefill_tokens: int = 32_768
    ) -> None:
        if not hasattr(model.model, "get_rope_index"):
            raise UserError(
                f"hardware.rollout='transformers' cannot drive a {type(model).__name__}; "
                "use a Qwen-VL student, or rollout 'vllm'"
            )
        self.model = model
        self.processor = processor
        self.lock = threading.Lock()
        """Held while generating and while weights change."""
        self._max_prefill_tokens = max_prefill_tokens

    def load_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Replace all weights, between two batches.

        Args:
            weights: tensors by parameter name, as in the model's state dict; names of tied
                weights may be left out.

        Raises:
            ValueError: a name or shape does not match the model; the weights are unchanged.
        """
        with self.lock:
            own = self.model.state_dict()
            tied = set(getattr(self.model, "all_tied_weights_keys", None) or ())
            wrong = sorted(weights.keys() - own.keys()) + sorted(own.keys() - weights.keys() - tied)
            wrong += [n for n in weights.keys() & own.keys() if weights[n].shape != own[n].shape]
            if wrong:
                raise ValueError(
                    f"{len(wrong)} weights do not match the model, the first is {wrong[0]!r}; "
                    "send the full state dict of the same architecture"
                )
            self.model.load_state_dict(dict(weights), strict=False)

    @torch.inference_mode()
    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationOutput]:
        """Generate for all requests, in one batch; outputs are in the order of the requests.

        Length, temperature, nucleus and seed may differ between requests.  A request's random
        stream is its own, so batching does not change what is sampled, up to rounding.

        Raises:
            DivergedError: the model's logits are not numbers.
        """
        if not requests:
            return []
        with self.lock:
            groups: dict[str, list[int]] = {}
            for index, request in enumerate(requests):
                groups.setdefault(request.prompt.key, []).append(index)
            prompts = [requests[members[0]].prompt for members in groups.values()]
            outputs: dict[int, GenerationOutput] = {}
            for part in self._slices(prompts):
                indices = [i for p in part for i in groups[p.key]]
                sources = [n for n, p in enumerate(part) for _ in groups[p.key]]
                results = self._run(part, sources, [requests[i].sampling for i in indices])
                outputs.update(zip(indices, results, strict=True))
            return [outputs[index] for index in range(len(requests))]

    def _slices(self, prompts: Sequence[EncodedPrompt]) -> list[list[EncodedPrompt]]:
        slices: list[list[EncodedPrompt]] = [[]]
        longest = 0
        for prompt in prompts:
            longest = max(longest, len(prompt.prompt_ids))
            if slices[-1] and longest * (len(slices[-1]) + 1) > self._max_prefill_tokens:
                slices.append([])
                longest = len(prompt.prompt_ids)
            slices[-1].append(prompt)
        return slices

    def _run(
        self,
        prompts: Sequence[EncodedPrompt],
        sources: Sequence[int],
        params: Sequence[SamplingParams],
    ) -> list[GenerationOutput]:
        """Generate ``len(sources)`` sequences; sequence i continues ``prompts[sources[i]]``."""
        device = self.model.device
        inputs = {name: t.to(device) for name, t in self.processor.batch(prompts).items()}
        logits, cache, next_position = self._prefill(inputs)
        source = torch.tensor(sources, device=device)
        mask = inputs["attention_mask"][source]
        cache.batch_select_indices(source)
        logits, next_position = logits[source], next_position[source]

        sampler = TokenSampler(params, self.processor.suppress_token_ids, device)
        limits = torch.tensor([p.max_new_tokens for p in params], device=device)
        stops = torch.tensor(self.processor.stop_token_ids, device=device)
        tokens = torch.zeros(len(params), int(limits.max()), dtype=torch.long, device=device)
        log_probs = torch.zeros(tokens.shape, device=device)
        lengths = torch.zeros(len(params), dtype=torch.long, device=device)
        stopped = torch.zeros(len(params), dtype=torch.bool, device=device)
        rows = torch.arange(len(params), device=device)  # sequence of each row still in the batch

        for step in range(tokens.shape[1]):
            chosen, chosen_log_probs = sampler.sample(logits, rows, step)
            running = ~stopped[rows] & (lengths[rows] < limits[rows])
            live = rows[running]
            tokens[live, step] = chosen[running]
            log_probs[live, step] = chosen_log_probs[running]
            lengths[live] += 1
            stopped[live] = torch.isin(chosen[running], stops)
            running &= ~stopped[rows] & (lengths[rows] < limits[rows])
            left = int(running.sum())
            if left == 0:
                break
            if left <= _COMPACT_BELOW * len(rows):
                keep = running.nonzero()[:, 0]
                cache.batch_select_indices(keep)
                rows, chosen = rows[keep], chosen[keep]
                mask, next_position = mask[keep], next_position[keep]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            # M-RoPE: text after the prompt advances all three axes together.
            position = next_position[:, None].expand(3, -1, -1)
            logits = self.model(
                input_ids=chosen[:, None],
                attention_mask=mask,
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            next_position = next_position + 1
        return _outputs(tokens.tolist(), log_probs.tolist(), lengths.tolist(), stopped.tolist())

    def _prefill(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Last logits (n, vocabulary), cache, and position (n,) of the first new token."""
        names = ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")
        grids = {name: inputs[name] for name in names if name in inputs}
        positions, deltas = self.model.model.get_rope_index(
            inputs["input_ids"],
            mm_token_type_ids=inputs["mm_token_type_ids"],
            attention_mask=inputs["attention_mask"],
            **grids,
        )
        vision = {k: v for k, v in inputs.items() if k.startswith("pixel_values") or k in grids}
        out = self.model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **vision,
        )
        length = inputs["attention_mask"].sum(1)
        return out.logits[:, -1], out.past_key_values, length + deltas[:, 0].to(length.device)


class BatchedStudent:
    """``ffr.repair.protocols.Student`` in this process: concurrent asks become batches.

    Responses depend on ``seed``, the question, the patch and how often that pair was asked
    before, not on which requests happen to share a batch.

    Args:
        generator: the engine.
        sampling: temperature, nucleus and length of every response; its seed is the run's.
        max_batch: most sequences generated together.
        window_s: seconds to wait for more requests.
    """

    def __init__(
        self,
        generator: BatchGenerator,
        sampling: SamplingParams,
        *,
        max_batch: int = 64,
        window_s: float = 0.005,
    ) -> None:
        self.generator = generator
        self.sampling = sampling
        self._asked: Counter[tuple[str, str | None]] = Counter()
        self._batcher: MicroBatcher[GenerationRequest, GenerationOutput] = MicroBatcher(
            generator.generate, max_batch=max_batch, window_s=window_s
        )

    @classmethod
    def load(
        cls,
        folder: Path | str,
        config: StudentConfig,
        *,
        temperature: float | None = None,
        seed: int = 0,
        max_batch: int = 64,
        device: str = "cpu",
    ) -> BatchedStudent:
        """A student from a checkpoint folder; ``temperature`` 0 is greedy, ``None`` the config's.

        Raises:
            UserError: the checkpoint cannot be loaded or driven.
        """
        processor = StudentProcessor(folder, max_prompt_tokens=config.max_prompt_tokens)
        generator = BatchGenerator(load_model(folder, config, device=device), processor)
        sampling = SamplingParams(
            max_new_tokens=config.max_response_tokens,
            temperature=config.temperature if temperature is None else temperature,
            top_p=config.top_p,
            seed=seed,
        )
        return cls(generator, sampling, max_batch=max_batch)

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        """Sample one response.

        Raises:
            PromptTooLongError: the prompt is over ``max_prompt_tokens``.
        """
        asked = (prompt.question_id, prompt.patch_id)
        sampling = replace(self.sampling, seed=_seed(self.sampling.seed, asked, self._asked[asked]))
        self._asked[asked] += 1
        processor = self.generator.processor
        encoded = await asyncio.to_thread(processor.encode, prompt)
        output = await self._batcher.submit(GenerationRequest(encoded, sampling))
        return Rollout(
            prompt=prompt,
            text=processor.decode(output.token_ids),
            token_ids=output.token_ids,
            finish_reason=output.finish_reason,
            log_probs=output.log_probs,
            prompt_ids=encoded.prompt_ids,
        )

    def close(self) -> None:
        """Free the worker thread."""
        self._batcher.close()


def _seed(seed: int, asked: tuple[str, str | None], count: int) -> int:
    digest = hashlib.blake2b(repr((seed, asked, count)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def _outputs(
    tokens: list[list[int]], log_probs: list[list[float]], lengths: list[int], stopped: list[bool]
) -> list[GenerationOutput]:
    return [
        GenerationOutput(tuple(ids[:n]), tuple(probs[:n]), "stop" if end else "length")
        for ids, probs, n, end in zip(tokens, log_probs, lengths, stopped, strict=True)
    ]
