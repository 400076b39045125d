"""One run of ``ffr-train``: prepare, run the stages in order, sum up.

Everything a run needs to go on after a crash is in its folder: finished stages are
recorded and skipped, GRPO resumes from its last checkpoint, evaluations that were
written are kept.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.preflight.situation import prepare
from ffr.run.folder import RunFolder
from ffr.run.manifest import write_manifest
from ffr.run.summary import write_summary
from ffr.run.table import print_summary
from ffr.train.endpoint import teacher_endpoint
from ffr.train.preflight import check_before_step_0
from ffr.train.prepare import Inputs
from ffr.train.stage_process import StageFailedError
from ffr.train.stage_state import StageState
from ffr.train.stages import Stages

__all__ = ["run_training"]


def run_training(config: RunConfig, resume: str = "auto") -> int:
    """Run all stages of a configuration; returns the process's exit code.

    Args:
        config: the resolved configuration.
        resume: ``auto`` continues a run folder of the same configuration, ``never`` demands
            an empty one, anything else is a GRPO checkpoint folder (``.../global_step_N``).

    Raises:
        UserError: something the user can mend; nothing finished is lost.
    """
    folder = RunFolder.create(
        Path(config.output or Path("runs") / config.name), dump_config(config), resume=resume
    )
    with folder.lock(), _stoppable():
        state = StageState(folder.path / "stages.json")
        status: Literal["ok", "stopped", "failed"] = "failed"
        began = time.monotonic()
        try:
            _run(config, folder, state, resume)
            status = "ok"
        except KeyboardInterrupt:
            status = "stopped"
            print("stopped; the same command continues", file=sys.stderr)
        except StageFailedError as error:
            print(error, file=sys.stderr)
        finally:
            state.add_seconds(time.monotonic() - began)
            if not state.stages:
                # Nothing ran yet: the mended command may differ in any key.
                folder.config_path.unlink(missing_ok=True)
            summary = write_summary(
                folder, status=status, stages=state.stages, seconds=state.seconds
            )
    print_summary(summary, folder)
    return {"ok": 0, "failed": 1, "stopped": 130}[status]


def _run(config: RunConfig, folder: RunFolder, state: StageState, resume: str) -> None:
    situation = prepare(config, folder)
    with teacher_endpoint(config) as base_url:
        check_before_step_0(config, folder, situation, state, base_url)
        inputs, model = situation.inputs, situation.model
        assert inputs is not None  # or it would have been refused
        assert model is not None
        write_manifest(folder, config, inputs.test or inputs.train)
        _write_inputs(folder, inputs, base_url)
        stages = Stages(config, folder, inputs, state, base_url, resume)
        for name in config.stages:
            if name == "eval":
                stages.evaluate_all(start=model)
            elif name == "sft":
                model = stages.sft(model)
            else:
                model = stages.grpo(model)


def _write_inputs(folder: RunFolder, inputs: Inputs, base_url: str | None) -> None:
    """What the stage processes need to find, as one file."""
    found: dict[str, Any] = {
        "media_root": str(inputs.media_root),
        "test": str(inputs.test) if inputs.test else None,
        "store": str(inputs.store),
        "frame_cache": str(folder.path / "cache" / "frames"),
        "teacher_base_url": base_url,
    }
    (folder.path / "inputs.json").write_text(json.dumps(found, indent=2))


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: children are ended and the summary is written."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


