"""``python -m ffr.evaluate.main RUN_DIR NAME=MODEL...``: evaluations of a run, in one process.

A name that begins with ``patched_`` is evaluated with evidence patches.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ffr.config.load import dump_config, load_config
from ffr.data.question import Question
from ffr.evaluate.checkpoint import open_student
from ffr.evaluate.evaluator import evaluate, protocol_of_run
from ffr.evaluate.metrics.registry import MetricContext, build_metrics
from ffr.evaluate.records import measures_by_family
from ffr.evaluate.rows import ItemRow, items_bytes
from ffr.evaluate.single_pass import SinglePass
from ffr.judge.build import build_judge
from ffr.patches.files import write_atomic
from ffr.patches.store import PatchStore, local_image_cache
from ffr.run.folder import RunFolder
from ffr.teacher.build import build_teacher

__all__ = ["main"]


async def main(run_dir: str, jobs: Sequence[str]) -> None:
    """Evaluate checkpoints on the run's test questions; writes ``eval/NAME.{jsonl,json}``."""
    folder = RunFolder.open(run_dir)
    config = load_config([folder.config_path])
    paths = json.loads((folder.path / "inputs.json").read_text())
    text = Path(paths["test"]).read_text(encoding="utf-8")
    questions = [Question.model_validate_json(line) for line in text.split("\n") if line]
    questions = questions[: config.eval.limit]
    done, right = 0, 0

    def note(row: ItemRow) -> None:
        nonlocal done, right
        done, right = done + 1, right + bool(row.right)
        if done % 20 == 0 or done % len(questions) == 0:
            folder.append_metrics({"stage": "eval", "step": done, "accuracy": right / done})

    cache = local_image_cache(config.store.local_cache, config.store.local_cache_gb)
    protocol = protocol_of_run(config)
    write_atomic(folder.path / "eval" / "protocol.yaml", dump_config(protocol).encode())
    for job in jobs:
        name, _, model = job.partition("=")
        student = open_student(
            config.student, model, paths["media_root"], batch_size=config.eval.batch_size,
            device=config.hardware.platform, frame_cache=paths["frame_cache"],
            patch_media=PatchStore(paths["store"], cache=cache).media,
        )  # fmt: skip
        teacher = None
        if name.startswith("patched_"):
            teacher = build_teacher(
                config.teacher, config.store, store_dir=paths["store"],
                media_root=paths["media_root"], base_url=paths.get("teacher_base_url"),
            )
        judge = build_judge(protocol.judge) if protocol.judge is not None else None
        try:
            asker = SinglePass(
                student.renderer, student.source, protocol.sampling, teacher, exclusive=True
            )
            metrics = build_metrics(MetricContext(
                protocol, Path(paths["media_root"]), judge, student.generator, student.renderer,
                videos=[question.video for question in questions],
            ))  # fmt: skip
            # The next batch is read and shown to the teacher while this one is generated.
            rows = await evaluate(
                questions, asker, protocol, metrics=metrics, batch_size=config.eval.batch_size,
                at_once=2, on_row=note,
            )  # fmt: skip
        finally:
            await student.source.aclose()
            for other in (teacher, judge):
                if other is not None:
                    await other.aclose()
        out = folder.path / "eval" / f"{name}.jsonl"
        # In the order of the questions, whatever order they were answered in.
        write_atomic(out, items_bytes(rows))
        table = measures_by_family(rows, metrics)
        write_atomic(out.with_suffix(".json"), json.dumps(table).encode())


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if threads := os.environ.get("FFR_TORCH_THREADS"):
        torch.set_num_threads(int(threads))
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
