"""Rows and finished evaluations as small as they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ffr.config.protocol import EvalProtocol
from ffr.data.question import Question
from ffr.evaluate.folder import EvalFolder, write_json
from ffr.evaluate.manifest import evaluation_manifest
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.rows import ItemRow
from ffr.evaluate.scores import score_rows


def make_row(index: int, **changes: Any) -> ItemRow:
    right = changes.get("right", True)
    values: dict[str, Any] = {
        "index": index, "question_id": f"q{index}", "video": f"v{index}.mp4", "family": "visible",
        "answer_type": "choice", "gold": "A", "response": "<think></think><answer>A</answer>",
        "answer": "A" if right else "B", "right": right, "accuracy": float(bool(right)),
        "score": float(bool(right)), "well_formed": True, "prompt_tokens": 10,
        "completion_tokens": 5,
    }  # fmt: skip
    return ItemRow.model_validate(values | changes)


@pytest.fixture(scope="session")
def row() -> Callable[..., ItemRow]:
    return make_row


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., Path]:
    """Writes a finished evaluation of given rows, as ``ffr eval`` leaves it."""

    def write(
        name: str, rows: Sequence[ItemRow], protocol: EvalProtocol | None = None, words: str = "?"
    ) -> Path:
        protocol = protocol or load_protocol("demo", ["metrics=[]"])
        data = tmp_path / "data.jsonl"
        data.write_text("{}\n")
        questions = [
            Question(id=r.question_id, video=r.video, question=words, answer_type="text",
                     answer="x") for r in rows
        ]  # fmt: skip
        folder = EvalFolder(tmp_path / name)
        identity = {"kind": "endpoint", "name": name, "base_url": "http://h/v1"}
        manifest = folder.claim(evaluation_manifest(protocol, questions, data, identity, {}))
        folder.write_items(rows)
        write_json(folder.scores_path, {**score_rows(rows, {}), "manifest": manifest})
        return folder.path

    return write
