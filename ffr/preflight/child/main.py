"""``python -m ffr.preflight.child.main JOB``: do the tasks of a job, one answer a line.

A task that raises is an answer, too; one that kills or hangs the process is its caller's to tell.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.data.question import Question
from ffr.errors import FfrError
from ffr.preflight.tasks import Job
from ffr.run.jsonl import append_line

__all__ = ["main"]


def main(path: str) -> None:
    """Do the tasks that ``path``, a ``Job`` as JSON, lists; answers go where it says."""
    job = Job(**json.loads(Path(path).read_text(encoding="utf-8")))
    config = load_config([Path(job.config)])
    for task in job.tasks:
        answer: dict[str, Any] = {"task": task}
        try:
            answer["found"] = _do(task, job, config)
        except FfrError as error:
            answer["error"] = str(error)
        except Exception as error:  # noqa: BLE001 - told to the user with its kind
            traceback.print_exc()
            answer["error"] = f"{type(error).__name__}: {error}"[:600]
        append_line(Path(job.answers), answer)


def _do(task: str, job: Job, config: RunConfig) -> Any:
    if task == "devices":
        from ffr.preflight.child.devices import local_devices

        return local_devices()
    if task == "cluster":
        from ffr.preflight.child.devices import cluster_devices

        hardware = config.hardware
        return cluster_devices(
            os.environ.get("RAY_ADDRESS", "auto"), nodes=hardware.nodes,
            devices=hardware.nodes * hardware.devices_per_node,
        )  # fmt: skip
    if task == "shape":
        from ffr.preflight.child.shape import read_shape

        return asdict(read_shape(job.model))
    with tempfile.TemporaryDirectory(prefix="ffr-preflight-") as scratch:
        questions = _questions(job)
        if task == "tokens":
            from ffr.preflight.child.tokens import measure_tokens

            return measure_tokens(
                config, questions, model=job.model, media_root=job.media_root,
                scratch=Path(scratch),
            )  # fmt: skip
        from ffr.preflight.child.rollout import dry_rollout

        return dry_rollout(
            config, questions, model=job.model, media_root=job.media_root, store=job.store,
            base_url=job.base_url, scratch=Path(scratch),
        )  # fmt: skip


def _questions(job: Job) -> list[Question]:
    text = Path(job.questions).read_text(encoding="utf-8")
    return [Question.model_validate_json(line) for line in text.split("\n") if line]


if __name__ == "__main__":
    if threads := os.environ.get("FFR_TORCH_THREADS"):
        import torch

        torch.set_num_threads(int(threads))
    main(sys.argv[1])
