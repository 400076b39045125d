"""Tiny checkpoints of both families, and real mp4 files, made once a session."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from ffr.config.student import StudentConfig, TinyModelConfig
from student.model import load_model
from student.processor import StudentProcessor
from student.tiny.model import build_tiny_student

CORPUS = [
    "What appears at 5.0 seconds?",
    "Which shape appears at 5.0 seconds?",
    "Look at the whole frame from 4.6 to 4.8 seconds.",
    "<think>at <keyframes>5.0</keyframes></think><answer>red cross</answer>",
] * 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    folder: Path
    family: str
    processor: StudentProcessor
    model: Any


@pytest.fixture(scope="session", params=["qwen3_vl", "qwen2_5_vl"])
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Checkpoint:
    torch.set_num_threads(1)
    family = request.param
    folder = tmp_path_factory.mktemp(family)
    build_tiny_student(TinyModelConfig(family=family), folder, CORPUS)
    config = StudentConfig(path=str(folder), dtype="float32")
    return Checkpoint(folder, family, StudentProcessor(folder), load_model(folder, config))


def write_mp4(path: Path, *, fps: int = 10, frames: int = 80, size: int = 96) -> Path:
    """Frame i is uniformly grey with value 2 * i + 20, so that a frame tells its time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "10"}
        stream.codec_context.time_base = Fraction(1, fps)
        for i in range(frames):
            picture = np.full((size, size, 3), 2 * i + 20, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mp4(tmp_path_factory.mktemp("video") / "grey.mp4")
