"""Two short videos, four questions about them, and a run over them with the demo teacher."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.config.student import TinyModelConfig
from ffr.config.yaml_io import to_yaml

Make = Callable[..., RunConfig]


@pytest.fixture(scope="package")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("preflight_media")
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(root / name), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
            for i in range(40):
                picture = np.full((96, 96, 3), 20 + 4 * i, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    return root


@pytest.fixture(scope="package")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from student.tiny.model import build_tiny_student

    words = ["What is shown at 2 s?", "a red cross", "a blue circle", "look at the object"] * 2
    shape = TinyModelConfig(hidden_size=64, layers=1, heads=4)
    return build_tiny_student(shape, tmp_path_factory.mktemp("preflight_student"), words)


@pytest.fixture
def make(videos: Path, checkpoint: Path, tmp_path: Path) -> Make:
    """A configuration; ``sections`` are laid over a small run that passes."""

    def build(**sections: Any) -> RunConfig:
        rows = [
            {"id": f"q{i}", "video": f"{'ab'[i % 2]}.mp4", "question": f"What is shown at {i} s?",
             "options": ["a red cross", "a blue circle"], "answer_type": "choice", "answer": "B"}
            for i in range(4)
        ]  # fmt: skip
        data = tmp_path / "train.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tree: dict[str, Any] = {
            "name": "looked_at", "output": str(tmp_path / "run"), "stages": ["grpo"],
            "data": {"train": str(data), "media_root": str(videos)},
            "student": {
                "path": str(checkpoint),
                "frames": {"count": 4, "exact_size": [32, 32], "size_multiple": 16,
                           "patch_exact_size": [32, 32]},
                "prompt": {"style": "compact"}, "dtype": "float32",
                "max_prompt_tokens": 512, "max_response_tokens": 16,
            },
            "grpo": {"steps": 2, "questions_per_step": 2, "group_size": 2, "kl_coef": 0.0,
                     "micro_batch_size": 4},
            "teacher": {"kind": "demo"},
            "hardware": {"platform": "cpu", "devices_per_node": 1, "rollout": "transformers",
                         "rollout_workers": 1, "threads": 1},
            "loggers": [],
        }  # fmt: skip
        for name, values in sections.items():
            old = tree.get(name)
            both = isinstance(old, dict) and isinstance(values, dict)
            tree[name] = old | values if both else values
        path = tmp_path / "config.yaml"
        path.write_text(to_yaml(tree))
        return load_config([path])

    return build
