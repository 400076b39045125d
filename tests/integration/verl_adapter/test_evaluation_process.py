"""The evaluation stage as it runs in its own process: what it writes and what it leaves alone."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ffr.config.load import dump_config
from ffr.evaluate.main import main
from ffr.evaluate.rows import read_items
from ffr.run.folder import RunFolder
from ffr.run.summary import write_summary


@pytest.fixture
def folder(
    checkpoint: tuple[str, Path], media_root: Path, questions: Any, kit: Any, tmp_path: Path
) -> RunFolder:
    """A run folder with three test questions, one of them about a video that is gone."""
    config = kit.config(
        tmp_path, checkpoint[1], stages=["eval"], teacher={"kind": "replay"},
        eval={"batch_size": 2}, student={"max_response_tokens": 5},
    )  # fmt: skip
    folder = RunFolder.create(tmp_path / "run", dump_config(config))
    lost = questions[0].model_copy(update={"id": "lost", "video": "lost.mp4"})
    test = tmp_path / "test.jsonl"
    rows = [questions[0], lost, questions[1]]
    test.write_text("".join(q.model_dump_json() + "\n" for q in rows))
    inputs = {"media_root": str(media_root), "test": str(test), "frame_cache": None,
              "store": str(folder.path / "patches"), "teacher_base_url": None}  # fmt: skip
    (folder.path / "inputs.json").write_text(json.dumps(inputs))
    return folder


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_two_evaluations_of_one_checkpoint(folder, checkpoint, stock_models):
    model = checkpoint[1]
    before = digest(model)
    with stock_models():
        asyncio.run(main(str(folder.path), [f"after={model}", f"patched_after={model}"]))
    assert digest(model) == before  # evaluation never trains
    assert digest(folder.path / "checkpoints") == {}
    assert digest(folder.path / "rollouts") == {}

    rows = {
        name: read_items(folder.path / "eval" / f"{name}.jsonl")
        for name in ("after", "patched_after")
    }
    for found in rows.values():
        assert [row.question_id for row in found] == ["q0", "lost", "q1"]
    plain = rows["after"]
    assert "lost.mp4" in str(plain[1].failure)
    assert plain[0].response is not None
    assert plain[0].right is False  # a random student
    kinds = [row.failure.kind for row in rows["patched_after"] if row.failure]
    assert kinds == ["no_patch"] * 3  # nothing is stored
    assert {row.patch_id for row in rows["patched_after"]} == {None}

    summary = write_summary(folder, status="ok", stages={}, seconds=1.0)
    assert summary.accuracy.after == 0.0
    assert summary.accuracy.patched_after is None  # not available, not zero
    assert summary.accuracy.n == 2
    steps = [json.loads(line)["step"] for line in folder.metrics_path.read_text().splitlines()]
    assert steps == [3, 6]


def test_greedy_answers_repeat(folder, checkpoint, stock_models):
    for name in ("before", "after"):
        with stock_models():
            asyncio.run(main(str(folder.path), [f"{name}={checkpoint[1]}"]))
    texts = [(folder.path / "eval" / f"{name}.jsonl").read_text() for name in ("before", "after")]
    assert texts[0] == texts[1]
