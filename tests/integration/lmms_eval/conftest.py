"""The real lmms-eval beside the other packages, a demo world, a taught checkpoint."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ffr.config.schema import DemoWorldConfig
from ffr.config.student import TinyModelConfig
from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.demo.world import DemoWorldPaths, generate_demo_world
from ffr.evaluate.checkpoint import open_checkpoint
from ffr.evaluate.protocol import load_protocol
from student.processor import EncodedPrompt
from student.tiny.model import build_tiny_student

REPOSITORY = Path(__file__).parents[3]
SHAPE = TinyModelConfig(hidden_size=64, layers=1, heads=2, vision_hidden_size=32, vision_layers=1)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where lmms-eval is started: the demo task names its files relative to it."""
    return tmp_path_factory.mktemp("lmms")


@pytest.fixture(scope="session")
def world(workplace: Path) -> DemoWorldPaths:
    sizes = DemoWorldConfig(
        sft=1, train=1, validation=1, test=16, path=str(workplace / "data" / "demo")
    )
    return generate_demo_world(sizes)


@pytest.fixture(scope="session")
def questions(world: DemoWorldPaths) -> tuple[Question, ...]:
    return load_questions(world.test, check_media=False).questions


@pytest.fixture(scope="session")
def checkpoint(workplace: Path, world: DemoWorldPaths, questions: tuple[Question, ...]) -> Path:
    """Answers in form, always the most frequent gold answer of a type: some are right."""
    folder = workplace / "tiny"
    corpus = [*(q.question for q in questions), *(wanted(q, questions) for q in questions)]
    build_tiny_student(SHAPE, folder, corpus)
    torch.manual_seed(0)
    model = open_checkpoint(
        load_protocol("demo"), folder, world.root, batch_size=16, device="cpu", dtype="float32"
    )
    processor = model.renderer.processor
    weights = model.generator.model.train()
    prompts = [
        processor.encode(asyncio.run(model.renderer.question(q.asked))) for q in questions
    ]
    optimiser = torch.optim.AdamW(weights.parameters(), lr=5e-3)
    for _ in range(4):
        for question, prompt in zip(questions, prompts, strict=True):
            response = processor.tokenizer.encode(
                wanted(question, questions), add_special_tokens=False
            )
            loss = _loss(weights, processor, prompt, [*response, processor.stop_token_ids[0]])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights.parameters(), 1.0)
            optimiser.step()
    weights.eval().save_pretrained(folder)
    asyncio.run(model.source.aclose())
    return folder


def wanted(question: Question, questions: tuple[Question, ...]) -> str:
    same = [q.answer for q in questions if q.answer_type == question.answer_type]
    answer = max(sorted(set(same)), key=same.count)
    return f"<think>at <keyframes>1.0</keyframes> {answer}</think><answer>{answer}</answer>"


def _loss(
    model: torch.nn.Module, processor: object, prompt: EncodedPrompt, response: list[int]
) -> torch.Tensor:
    batch = processor.batch([prompt])
    said = torch.tensor([response])
    ids = torch.cat([batch.pop("input_ids"), said], dim=1)
    types = torch.cat([batch.pop("mm_token_type_ids"), torch.zeros_like(said)], dim=1)
    batch["attention_mask"] = torch.ones_like(ids)
    labels = ids.clone()
    labels[:, : -len(response)] = -100
    return model(input_ids=ids, mm_token_type_ids=types, labels=labels, **batch).loss


@pytest.fixture(scope="session")
def beside_lmms_eval(workplace: Path) -> Run:
    """Run Python with the real lmms-eval and this project, offline, in the workplace."""
    folder = Path(sys.prefix) / "lmms"
    assert (folder / "lmms_eval").is_dir(), f"lmms-eval is not in {folder}; run make lmms-test"
    paths = [str(folder), str(REPOSITORY), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1",
        "HF_HOME": str(workplace / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false",
    }  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=workplace, env=environment, capture_output=True,
            text=True, timeout=600, check=False,
        )  # fmt: skip

    return run
