from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ffr.config.student import PromptConfig, StudentConfig
from ffr.data.question import AskedQuestion
from student.batching import MicroBatcher
from student.generate import BatchedStudent, BatchGenerator, GenerationRequest
from student.processor import EncodedPrompt
from student.prompt import render_question
from student.prompt_parts import StudentPrompt, VideoPart
from student.sampling import DivergedError, SamplingParams, TokenSampler
from student.time_axis import TimeAxis


def prompt(seed: int, words: str = "") -> StudentPrompt:
    asked = AskedQuestion(
        id=f"q{seed}", video="v.mp4", question=f"What appears at 5.0 seconds? {words}",
        answer_type="text",
    )
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    part = VideoPart(pixels, TimeAxis((1.0, 3.0, 5.0, 7.0), 10.0, 8.0))
    return render_question(asked, part, PromptConfig(style="compact"))


def encoded(checkpoint: Any, seed: int, words: str = "") -> EncodedPrompt:
    return checkpoint.processor.encode(prompt(seed, words))


def test_greedy_agrees_with_the_library_on_a_ragged_batch(checkpoint: Any) -> None:
    processor = checkpoint.processor
    words = ("", "in the corner", "")
    prompts = [encoded(checkpoint, seed, text) for seed, text in enumerate(words)]
    sampling = SamplingParams(max_new_tokens=12, temperature=0)
    ours = BatchGenerator(checkpoint.model, processor).generate(
        [GenerationRequest(p, sampling) for p in prompts]
    )
    batch = processor.batch(prompts)
    theirs = checkpoint.model.generate(
        **batch, do_sample=False, temperature=None, top_k=None, top_p=None, max_new_tokens=12,
        suppress_tokens=list(processor.suppress_token_ids),
    )[:, batch["input_ids"].shape[1] :]
    for output, row in zip(ours, theirs.tolist(), strict=True):
        assert list(output.token_ids) == row[: len(output.token_ids)]


def test_log_probs_are_those_of_a_plain_forward_pass(checkpoint: Any) -> None:
    processor = checkpoint.processor
    source = encoded(checkpoint, 0)
    sampling = SamplingParams(max_new_tokens=10, temperature=0.7, seed=5)
    (output,) = BatchGenerator(checkpoint.model, processor).generate(
        [GenerationRequest(source, sampling)]
    )
    whole = replace(source, prompt_ids=source.prompt_ids + output.token_ids, key="whole")
    with torch.inference_mode():
        logits = checkpoint.model(**processor.batch([whole])).logits[0]
    start = len(source.prompt_ids) - 1
    scores = (logits[start:-1].float() / 0.7).log_softmax(-1)
    expected = scores.gather(-1, torch.tensor(output.token_ids)[:, None])[:, 0]
    assert torch.allclose(torch.tensor(output.log_probs), expected, atol=1e-3)


def test_a_response_depends_on_its_seed_and_not_on_its_neighbours(checkpoint: Any) -> None:
    generator = BatchGenerator(checkpoint.model, checkpoint.processor)
    requests = [
        GenerationRequest(encoded(checkpoint, p), SamplingParams(max_new_tokens=8 + p, seed=s))
        for p in range(3)
        for s in range(3)
    ]
    together = generator.generate(requests)
    alone = [generator.generate([request])[0] for request in requests]
    assert [o.token_ids for o in together] == [o.token_ids for o in alone]
    sliced = BatchGenerator(checkpoint.model, checkpoint.processor, max_prefill_tokens=1)
    assert [o.token_ids for o in sliced.generate(requests)] == [o.token_ids for o in together]
    assert len({o.token_ids for o in together}) == len(requests)


def test_limits_stops_and_suppressed_tokens(checkpoint: Any) -> None:
    processor = checkpoint.processor
    generator = BatchGenerator(checkpoint.model, processor)
    source = encoded(checkpoint, 0)
    requests = [
        GenerationRequest(source, SamplingParams(max_new_tokens=n, temperature=3.0, seed=n))
        for n in range(1, 60)
    ]
    outputs = generator.generate(requests)
    for request, output in zip(requests, outputs, strict=True):
        assert len(output.token_ids) == len(output.log_probs) <= request.sampling.max_new_tokens
        assert not set(output.token_ids) & set(processor.suppress_token_ids)
        ended = output.token_ids[-1] in processor.stop_token_ids
        assert ended == (output.finish_reason == "stop")
        assert ended or len(output.token_ids) == request.sampling.max_new_tokens
        assert not set(output.token_ids[:-1]) & set(processor.stop_token_ids)
    assert {o.finish_reason for o in outputs} == {"stop", "length"}
    assert "<|vision_start|>" in processor.tokenizer.convert_ids_to_tokens(
        list(processor.suppress_token_ids)
    )


def test_weights_are_replaced_all_or_nothing(checkpoint: Any) -> None:
    generator = BatchGenerator(checkpoint.model, checkpoint.processor)
    saved = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    request = GenerationRequest(encoded(checkpoint, 0), SamplingParams(8, temperature=0))
    before = generator.generate([request])
    try:
        changed = {n: v + 0.05 * torch.randn_like(v) for n, v in saved.items()}
        changed.pop("lm_head.weight")  # tied to the embedding
        with pytest.raises(ValueError, match="nonsense"):
            generator.load_weights({**changed, "nonsense": torch.zeros(1)})
        bad = "model.language_model.embed_tokens.weight"
        with pytest.raises(ValueError, match=r"embed_tokens"):
            generator.load_weights({**changed, bad: torch.zeros(1)})
        with pytest.raises(ValueError, match="1 weights"):
            generator.load_weights(dict(list(changed.items())[1:]))
        assert generator.generate([request]) == before
        generator.load_weights(changed)
        assert generator.generate([request])[0].log_probs != before[0].log_probs
    finally:
        generator.load_weights(saved)
    assert generator.generate([request]) == before


def test_diverged_weights_are_an_error_not_tokens(checkpoint: Any) -> None:
    generator = BatchGenerator(checkpoint.model, checkpoint.processor)
    saved = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    broken = {name: torch.full_like(value, math.nan) for name, value in saved.items()}
    try:
        generator.load_weights(broken)
        with pytest.raises(DivergedError, match="diverged"):
            generator.generate([GenerationRequest(encoded(checkpoint, 0), SamplingParams(4))])
    finally:
        generator.load_weights(saved)


async def test_concurrent_asks_share_batches_and_repeat_exactly(checkpoint: Any) -> None:
    config = StudentConfig(path=str(checkpoint.folder), dtype="float32", max_response_tokens=8)

    async def run(max_batch: int, seed: int) -> tuple[list[tuple[int, ...]], int]:
        student = BatchedStudent.load(checkpoint.folder, config, seed=seed, max_batch=max_batch)
        asks = [prompt(p) for p in range(3) for _ in range(4)]
        rollouts = await asyncio.gather(*(student.answer(p) for p in asks))
        batches = student._batcher.batches
        student.close()
        for asked, rollout in zip(asks, rollouts, strict=True):
            assert rollout.prompt is asked
            assert rollout.prompt_ids == checkpoint.processor.encode(asked).prompt_ids
            assert rollout.log_probs is not None
            assert len(rollout.log_probs) == len(rollout.token_ids)
            assert rollout.text == checkpoint.processor.decode(rollout.token_ids)
        return [r.token_ids for r in rollouts], batches

    together, batches = await run(64, seed=1)
    assert batches <= 4
    assert len(set(together)) == 12
    one_by_one, many = await run(1, seed=1)
    assert many == 12
    assert one_by_one == together
    assert (await run(64, seed=2))[0] != together


async def test_greedy_students_answer_alike(checkpoint: Any) -> None:
    config = StudentConfig(path=str(checkpoint.folder), dtype="float32", max_response_tokens=6)
    student = BatchedStudent.load(checkpoint.folder, config, temperature=0)
    first, second = await asyncio.gather(student.answer(prompt(0)), student.answer(prompt(0)))
    student.close()
    assert first.token_ids == second.token_ids


async def test_a_failed_batch_fails_its_items_and_nothing_else() -> None:
    def run(items: list[int]) -> list[int]:
        if 13 in items:
            raise RuntimeError("no 13")
        return [item * 2 for item in items]

    batcher = MicroBatcher(run, max_batch=2)
    answers = await asyncio.gather(*(batcher.submit(i) for i in (1, 2, 13, 4, 5)),
                                   return_exceptions=True)
    assert answers[:2] == [2, 4]
    assert all(isinstance(a, RuntimeError) for a in answers[2:4])
    assert answers[4] == 10
    assert batcher.batches == 3
    cancelled = asyncio.create_task(batcher.submit(7))
    kept = asyncio.create_task(batcher.submit(8))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await kept == 16
    batcher.close()


def test_sampling_follows_the_probabilities_and_the_nucleus() -> None:
    logits = torch.log(torch.tensor([0.5, 0.25, 0.15, 0.1]))

    def counts(**settings: Any) -> list[float]:
        params = [SamplingParams(1, seed=s, **settings) for s in range(4000)]
        sampler = TokenSampler(params, [], torch.device("cpu"))
        rows = torch.arange(len(params))
        tokens, log_probs = sampler.sample(logits.expand(len(params), -1), rows, 0)
        temperature = settings.get("temperature", 1.0) or 1.0
        expected = (logits / temperature).log_softmax(-1)[tokens]
        assert torch.allclose(log_probs, expected)
        return [(tokens == i).float().mean().item() for i in range(4)]

    assert counts() == pytest.approx([0.5, 0.25, 0.15, 0.1], abs=0.03)
    assert counts(top_p=0.7) == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.03)
    assert counts(top_p=0.5) == [1, 0, 0, 0]
    assert counts(temperature=0.5) == pytest.approx([0.725, 0.181, 0.065, 0.029], abs=0.03)
    assert counts(temperature=0.0) == [1, 0, 0, 0]


def test_suppressed_tokens_have_no_chance() -> None:
    params = [SamplingParams(1, seed=s, temperature=t) for s in range(200) for t in (0.0, 1.0)]
    sampler = TokenSampler(params, [0, 3], torch.device("cpu"))
    logits = torch.tensor([9.0, 0.0, 0.0, 9.0]).expand(len(params), -1)
    tokens, _ = sampler.sample(logits, torch.arange(len(params)), 0)
    assert set(tokens.tolist()) == {1, 2}


@pytest.mark.parametrize(
    "bad", [{"max_new_tokens": 0}, {"temperature": -1.0}, {"temperature": math.nan}, {"top_p": 0.0}]
)
def test_impossible_sampling_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        SamplingParams(**{"max_new_tokens": 4, **bad})
