"""Checkpoints of a stage: which are whole, which one a run goes on from, which are kept.

verl notes its last checkpoint in one file that it empties before it writes, and forgets at every
launch which ones it made.  Here each whole checkpoint says so itself, with a marker that appears
last and at once, so that a full disk or a killed node costs the checkpoint being written and no
other.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from ffr.patches.files import sync_folder, write_atomic

__all__ = ["actor_folder", "latest_step", "make_room", "prune", "seal", "step_folder", "step_of"]

_MARKER = "whole.json"
_PREFIX = "global_step_"


def step_folder(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return checkpoints / f"{_PREFIX}{step}"


def step_of(folder: Path) -> int | None:
    """The step of a checkpoint's folder, ``None`` where its name tells none."""
    name = folder.name.removeprefix(_PREFIX)
    return int(name) if name != folder.name and name.isdigit() else None


def actor_folder(checkpoints: Path, step: int) -> Path:
    """The Hugging Face form of the policy at ``step``."""
    return step_folder(checkpoints, step) / "actor" / "huggingface"


def latest_step(checkpoints: Path) -> int | None:
    """Step of the whole checkpoint that was made last, or ``None``."""
    return next(reversed(_whole(checkpoints)), None)


def make_room(checkpoints: Path, step: int, keep: int) -> None:
    """Before the checkpoint of ``step``: leave ``keep`` - 1 whole ones, but always the last."""
    (step_folder(checkpoints, step) / _MARKER).unlink(missing_ok=True)  # it is written anew
    _keep_last(checkpoints, max(keep - 1, 1))


def seal(checkpoints: Path, step: int) -> None:
    """Declare a checkpoint whole; everything of it is on the disk when this returns.

    Raises:
        StoreError: the marker cannot be written (full disk).
    """
    folder = step_folder(checkpoints, step)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            _sync(path)
    order = 1 + max((_order(checkpoints, s) or 0 for s in _present(checkpoints)), default=0)
    write_atomic(folder / _MARKER, json.dumps({"step": step, "order": order}).encode())


def prune(checkpoints: Path, keep: int) -> None:
    """After a new checkpoint: leave the last ``keep`` whole ones and nothing half written."""
    _keep_last(checkpoints, keep)


def _keep_last(checkpoints: Path, count: int) -> None:
    whole = _whole(checkpoints)
    if not whole:  # nothing says what the others are: they are not ours to remove
        return
    for step in set(_present(checkpoints)) - set(whole[-count:]):
        folder = step_folder(checkpoints, step)
        (folder / _MARKER).unlink(missing_ok=True)  # first: half removed is not whole
        shutil.rmtree(folder, ignore_errors=True)


def _whole(checkpoints: Path) -> list[int]:
    """Steps in the order they were made, which is not theirs after a resume from an older one."""
    found = {step: _order(checkpoints, step) for step in _present(checkpoints)}
    if any(found.values()):
        return sorted((s for s in found if found[s]), key=lambda s: found[s] or 0)
    noted = checkpoints / "latest_checkpointed_iteration.txt"  # runs older than the marker
    text = noted.read_text().strip() if noted.is_file() else ""
    return [int(text)] if text.isdigit() and int(text) in found else []


def _order(checkpoints: Path, step: int) -> int | None:
    path = step_folder(checkpoints, step) / _MARKER
    return int(json.loads(path.read_bytes())["order"]) if path.is_file() else None


def _present(checkpoints: Path) -> list[int]:
    found = (step_of(path) for path in checkpoints.glob(f"{_PREFIX}*"))
    return sorted(step for step in found if step is not None)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
