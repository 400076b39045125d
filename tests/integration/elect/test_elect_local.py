"""A checkpoint in this process: one batch for many views, exact spans, the same again by seed."""

from __future__ import annotations

import asyncio

import pytest
import torch

from ffr.config.elect import BudgetConfig, ElectConfig, RefereeConfig, ViewsConfig
from ffr.config.rler import EvidenceConfig
from ffr.config.student import FramesConfig, PromptConfig, StudentConfig, TinyModelConfig
from ffr.data.question import AskedQuestion
from ffr.elect.answer_span import span_in_tokens
from ffr.elect.ask import ask
from ffr.elect.local import LocalSource
from ffr.errors import UserError
from student.tiny.model import build_tiny_student

CORPUS = [
    "What appears at 5.0 seconds?",
    "<think>at <keyframes>5.0</keyframes> red cross</think><answer>red cross</answer>",
] * 2
QUESTION = "What appears at 5.0 seconds?"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ElectConfig:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoint")
    build_tiny_student(TinyModelConfig(), folder, CORPUS)
    return ElectConfig(
        evidence=EvidenceConfig(citation="times", length_unit="tokens", length_high=40),
        frames=FramesConfig(count=8, exact_size=(32, 32), size_multiple=16),
        prompt=PromptConfig(style="compact", ask_keyframes=True),
        student=StudentConfig(path=str(folder), dtype="float32"),
        views=ViewsConfig(max_new_tokens=12),
        referee=RefereeConfig(by="rule"),
    )


async def held(config: ElectConfig, video):
    source = LocalSource.load(config)
    asked = AskedQuestion(id="q", video=video.name, question=QUESTION, answer_type="text")
    try:
        return await ask(asked, video.parent, source, config), source.batches
    finally:
        await source.aclose()


async def test_an_untrained_model_gives_no_answer_and_its_raw_texts(config, video) -> None:
    asked, batches = await held(config, video)
    record = asked.record
    assert (record.status, record.answer, record.generated) == ("no_answer", None, 8)
    assert {c.reason for c in record.candidates} <= {"truncated", "no_answer"}
    assert any(c.text for c in record.candidates)
    assert record.prompt_tokens > 8 * 30
    assert batches == 3  # 3 views, the 3 valid ones still missing, the last 2


async def test_all_views_are_one_batch_without_early_stop(config, video) -> None:
    at_once = config.model_copy(update={"budget": BudgetConfig(early_stop=False)})
    _, batches = await held(at_once, video)
    assert batches == 1


async def test_the_same_seed_gives_the_same_texts(config, video) -> None:
    first, second = [(await held(config, video))[0].record for _ in range(2)]
    texts = [c.text for c in first.candidates]
    assert texts == [c.text for c in second.candidates]
    other, _ = await held(config.model_copy(update={"seed": 1}), video)
    assert texts != [c.text for c in other.record.candidates]


def test_the_answers_tokens_are_found_under_a_real_tokenizer(config) -> None:
    async def run() -> None:
        source = LocalSource.load(config)
        processor = source._processor
        text = CORPUS[1]
        ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        span = span_in_tokens(ids, processor.decode)
        assert processor.decode([ids[i] for i in span]) == "red cross"
        assert span_in_tokens(ids[:3], processor.decode) == range(0)
        assert source.count_tokens("red cross") == len(span)
        await source.aclose()

    asyncio.run(run())


def test_a_folder_without_a_checkpoint_is_named(config, tmp_path) -> None:
    student = StudentConfig(path=str(tmp_path))
    with pytest.raises(UserError, match="no loadable checkpoint"):
        LocalSource.load(config.model_copy(update={"student": student}))
    with pytest.raises(UserError, match="--checkpoint"):
        LocalSource.load(ElectConfig())
