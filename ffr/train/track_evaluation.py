"""Send the accuracies of a finished evaluation to the trackers, beside the run folder's files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ffr.config.schema import RunConfig
from ffr.run.folder import RunFolder
from ffr.train.apart import call_apart
from ffr.train.loggers import logger_environment

__all__ = ["evaluation_lines", "track_evaluation"]


def evaluation_lines(folder: Path, steps: int) -> list[tuple[int, dict[str, float]]]:
    """(step, metrics) of the evaluations in ``folder``: before GRPO step 0, after it ``steps``.

    Metrics: ``eval/accuracy``, ``eval/n``, ``eval/accuracy/<family>``, and the same below
    ``eval_patched`` for answers given with evidence patches.
    """
    lines: dict[int, dict[str, float]] = {}
    for path in sorted(folder.glob("*.json")):
        patched = path.stem.startswith("patched_")
        if path.stem.removeprefix("patched_") not in ("before", "after"):
            continue
        step = 0 if path.stem.endswith("before") else steps
        prefix = "eval_patched" if patched else "eval"
        for family, row in json.loads(path.read_bytes()).items():
            if row["n"]:
                name = "accuracy" if family == "all" else f"accuracy/{family}"
                lines.setdefault(step, {})[f"{prefix}/{name}"] = float(row["accuracy"])
            if family == "all":
                lines.setdefault(step, {})[f"{prefix}/n"] = float(row["n"])
    return sorted(lines.items())


def track_evaluation(
    config: RunConfig, folder: RunFolder, call: Callable[..., Any] = call_apart
) -> None:
    """Log the evaluations of a run; a tracker that fails now is noted, the run is not lost.

    Args:
        config: of the run.
        folder: of the run.
        call: runs a function with arguments; by default in a process of its own, since it
            imports verl and changes its environment.
    """
    steps = config.grpo.steps if "grpo" in config.stages else 0
    lines = evaluation_lines(folder.path / "eval", steps)
    if not config.loggers or not lines:
        return
    try:
        call(
            _track, config.loggers, f"{config.name}-eval", lines,
            logger_environment(config.loggers, folder, config.name, "eval"),
            folder.path / "logs" / "eval.log",
        )
    except Exception as error:  # noqa: BLE001 - every tracker has errors of its own
        problem = f"{type(error).__name__}: {error}"[:300]
        folder.append_event({"event": "logger_failed", "stage": "eval", "detail": problem})
        print(f"eval: the accuracies did not reach every logger ({problem}); they are in "
              f"{folder.path / 'eval'}", file=sys.stderr, flush=True)


def _track(
    loggers: Sequence[str], experiment: str, lines: list[tuple[int, dict[str, float]]],
    environment: Mapping[str, Any], log: Path,
) -> None:
    # Trackers talk a lot; standard output may be somebody's JSON.
    with log.open("a") as said, redirect_stdout(said), redirect_stderr(said):
        from ffr.train.verl.tracking import track

        track(loggers, "ffr", experiment, lines, environment)
