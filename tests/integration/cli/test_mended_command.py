"""A first launch that fails on its data leaves no trap for the mended command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_CONFIG = """
name: mended
stages: [grpo]
data: {train: train.jsonl}
student: {path: nowhere}
teacher: {kind: none}
hardware: {platform: cpu, devices_per_node: 1, rollout: transformers, rollout_workers: 1}
"""


def _launch(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ffr", "train", "config.yaml", *words, "--output", "run"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_the_fix_an_error_names_can_be_applied_to_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(_CONFIG)
    row = {"id": "q", "video": "gone.mp4", "question": "?", "answer_type": "text", "answer": "a"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    assert "gone.mp4" in _launch(tmp_path)
    # the changed key is accepted; what is left to complain about is the data itself
    assert "no usable row" in _launch(tmp_path, "data.on_bad_row=skip")
