"""The checks before step 0 of a run: told on standard error, kept in its folder."""

from __future__ import annotations

import json
import sys

from ffr.config.preflight import CheckGroup
from ffr.config.schema import RunConfig
from ffr.preflight.check import Check
from ffr.preflight.run import preflight, refuse
from ffr.preflight.shape import ModelShape
from ffr.preflight.situation import Situation
from ffr.run.folder import RunFolder
from ffr.train.stage_state import StageState

__all__ = ["check_before_step_0"]

_FILE = "preflight.json"
_ONCE: tuple[CheckGroup, ...] = ("videos", "tokens", "rollout")
"""Not repeated when a run goes on: they were fine, and what they look at may not change."""


def check_before_step_0(
    config: RunConfig,
    folder: RunFolder,
    situation: Situation,
    state: StageState,
    base_url: str | None,
) -> None:
    """Look at everything before the first step; a run that goes on repeats what may have changed.

    Raises:
        PreflightError: something must be mended first; the message names all of it.
    """
    data_is_fine = all(check.status != "problem" for check in situation.findings)
    if data_is_fine and _nothing_left(config, state):
        return
    before = _earlier(folder) if state.stages else None
    report = preflight(
        config,
        situation,
        base_url=base_url,
        without=_ONCE if before else (),
        shape=before,
        tell=_tell,
    )
    path = folder.write_json(_FILE, report.as_json())
    warnings = sum(check.status == "warning" for check in report.checks)
    folder.append_event({"event": "preflight", "problems": len(report.problems),
                         "warnings": warnings, "repeated": before is not None})  # fmt: skip
    refuse(report, str(path))
    print(
        f"pre-flight: {len(report.checks)} checks, {warnings} warnings, {report.seconds:.0f} s",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _nothing_left(config: RunConfig, state: StageState) -> bool:
    for stage in config.stages:
        done = state.finished(stage)
        if not done or (stage == "grpo" and done["steps"] != config.grpo.steps):
            return False
    return True


def _earlier(folder: RunFolder) -> ModelShape | None:
    """The student's shape as an earlier launch of this run found it, all being well."""
    try:
        found = json.loads((folder.path / _FILE).read_text(encoding="utf-8"))
        return ModelShape(**found["shape"]) if found["ok"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _tell(check: Check) -> None:
    if check.status == "warning":
        text = f"pre-flight: {check.name}: {check.found}; {check.fix}"
        print(" ".join(text.split()), file=sys.stderr, flush=True)
