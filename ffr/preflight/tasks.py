"""Tasks that need torch: done in a process that may be ended, answered line by line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ffr.run.jsonl import read_lines
from ffr.train.fate import die_with_parent

__all__ = ["Answer", "Job", "Task", "do_tasks"]

Task = Literal["devices", "cluster", "shape", "tokens", "rollout"]


@dataclass(frozen=True)
class Job:
    """What the process is told.

    Attributes:
        tasks: in this order.
        config: file of the resolved configuration.
        answers: file that takes one line a task.
        model, media_root, store, questions: as the run uses them; empty where unknown.
        base_url: of the teacher's endpoint.
    """

    tasks: list[Task]
    config: str
    answers: str
    model: str = ""
    media_root: str = ""
    store: str = ""
    questions: str = ""
    base_url: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a task found, or why it found nothing."""

    found: Any = None
    error: str = ""


def do_tasks(
    tasks: list[Task],
    *,
    config_text: str,
    limit_s: float,
    environment: Mapping[str, str],
    **paths: Any,
) -> dict[Task, Answer]:
    """Do them in one process of its own.

    Args:
        tasks: in this order.
        config_text: the resolved configuration, YAML.
        limit_s: wall time of all of them, after which the process is ended.
        environment: variables on top of ours.
        paths: the remaining fields of ``Job``.

    Returns:
        An answer for each task; of those that were not reached, the error says why.
    """
    with tempfile.TemporaryDirectory(prefix="ffr-preflight-") as scratch:
        folder = Path(scratch)
        job = Job(tasks, str(folder / "config.yaml"), str(folder / "answers.jsonl"), **paths)
        Path(job.config).write_text(config_text, encoding="utf-8")
        (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        log = folder / "log.txt"
        with log.open("wb") as output:
            ended = _run(folder / "job.json", output, limit_s, environment)
        found: dict[Task, Answer] = {}
        for line in read_lines(Path(job.answers))[0]:
            found[line["task"]] = Answer(line.get("found"), line.get("error", ""))
        why = ended or _last_words(log)
        return {task: found.get(task, Answer(error=why)) for task in tasks}


def _run(job: Path, output: Any, limit_s: float, environment: Mapping[str, str]) -> str:
    """Returns what went wrong with the process itself, or nothing."""
    child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        [sys.executable, "-m", "ffr.preflight.child.main", str(job)],
        stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        start_new_session=True,  # the tools' workers end with it
        preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        child.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return f"not done within preflight.rollout_limit_s={limit_s:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return ""


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"the process ended: {lines[-1][:300]}" if lines else "the process ended without a word"
