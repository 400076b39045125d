"""``python -m ffr.evaluate.main RUN_DIR NAME MODEL [--patched]``: one evaluation as a process."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

import torch

from ffr.config.load import load_config
from ffr.data.question import Question
from ffr.evaluate.evaluator import evaluate
from ffr.evaluate.records import EvalRow, accuracy_by_family
from ffr.patches.files import write_atomic
from ffr.patches.media import MediaStore
from ffr.run.folder import RunFolder
from ffr.teacher.build import build_teacher
from ffr.train.rendering import PromptRenderer
from student.generate import BatchedStudent

__all__ = ["main"]


async def main(arguments: argparse.Namespace) -> None:
    """Evaluate one checkpoint on the run's test questions and write ``eval/NAME.jsonl``."""
    folder = RunFolder.open(arguments.run_dir)
    config = load_config([folder.config_path])
    paths = json.loads((folder.path / "inputs.json").read_text())
    text = Path(paths["test"]).read_text(encoding="utf-8")
    questions = [Question.model_validate_json(line) for line in text.splitlines()]
    questions = questions[: config.eval.limit]
    renderer = PromptRenderer(
        config.student,
        media_root=paths["media_root"],
        model_path=arguments.model,
        patch_media=MediaStore(Path(paths["store"]) / "media"),
        frame_cache=paths["frame_cache"],
    )
    student = BatchedStudent.load(
        arguments.model, config.student, temperature=0.0, max_batch=config.eval.batch_size,
        seed=config.seed,
    )
    out = folder.path / "eval" / f"{arguments.name}.jsonl"
    out.parent.mkdir(exist_ok=True)
    rows: list[EvalRow] = []
    right = 0

    def note(row: EvalRow) -> None:
        nonlocal right
        rows.append(row)
        right += bool(row.right)
        if len(rows) % 20 == 0 or len(rows) == total:
            folder.append_metrics({"stage": f"eval-{arguments.name}", "step": len(rows),
                                   "accuracy": right / len(rows)})

    total = len(questions)
    teacher = None
    if arguments.patched:
        teacher = build_teacher(
            config.teacher, config.store, store_dir=paths["store"], media_root=paths["media_root"],
            base_url=paths.get("teacher_base_url"), share=1.0,
        )
    try:
        done = await evaluate(
            questions, student, renderer, reward=config.reward, teacher=teacher, on_row=note,
            concurrency=2 * config.eval.batch_size,
        )
    finally:
        if teacher is not None:
            await teacher.aclose()
    # In the order of the questions, whatever order they were answered in.
    write_atomic(out, "".join(row.model_dump_json() + "\n" for row in done).encode())
    mode = "patched" if arguments.patched else "plain"
    write_atomic(out.with_suffix(".json"), json.dumps(accuracy_by_family(done, mode)).encode())


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if threads := os.environ.get("FFR_TORCH_THREADS"):
        torch.set_num_threads(int(threads))
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir")
    parser.add_argument("name")
    parser.add_argument("model")
    parser.add_argument("--patched", action="store_true")
    asyncio.run(main(parser.parse_args()))
