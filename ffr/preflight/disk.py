"""Checkpoints, frames and records against the free space of the run folder's disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from ffr.config.schema import RunConfig
from ffr.preflight.check import Check
from ffr.preflight.settings import read_settings
from ffr.preflight.shape import ModelShape
from ffr.train.budget import budget

__all__ = ["checkpoint_bytes", "disk_check", "needed_bytes"]

_HF = 4  # bytes a parameter: verl writes the Hugging Face form in float32
_RECORD = 20_000  # bytes of one answer in rollouts/, generously
_PATCH = 100_000  # bytes of a patch with its images
_TIGHT = 1.2


def checkpoint_bytes(config: RunConfig, shape: ModelShape, stage: str = "grpo") -> float:
    """One whole checkpoint: sharded weights, optimiser, and the Hugging Face form."""
    s = read_settings(config, shape, "grpo" if stage == "grpo" else "sft")
    optimiser = 12.0 if s.megatron else 2.0 * s.stored_bytes
    return s.stored_bytes * s.total + optimiser * s.trainable + _HF * shape.parameters


def needed_bytes(config: RunConfig, shape: ModelShape, videos: int = 0) -> dict[str, float]:
    """What the run folder grows to, by part; one checkpoint more than is kept is there for a time.

    Args:
        config: resolved.
        shape: of the student.
        videos: of all splits, whose frames are cached.
    """
    grpo, frames = config.grpo, config.student.frames
    found: dict[str, float] = {}
    if "sft" in config.stages:
        found["SFT checkpoints"] = 2 * checkpoint_bytes(config, shape, "sft")
    if "grpo" in config.stages:
        limits = budget(config)
        kept = min(grpo.keep_checkpoints + 1, max(grpo.steps // grpo.save_every, 1))
        found["GRPO checkpoints"] = kept * checkpoint_bytes(config, shape, "grpo")
        found["records"] = float(grpo.steps * limits.generated_sequences_per_step * _RECORD)
        found["patches"] = float(min(grpo.steps * limits.teacher_calls_per_step, 10**6) * _PATCH)
    size = frames.exact_size
    pixels = size[0] * size[1] if size else frames.max_pixels
    found["frame cache"] = 3.0 * videos * frames.count * pixels
    return found


def disk_check(config: RunConfig, shape: ModelShape, folder: Path, *, videos: int = 0) -> Check:
    """The parts against what is free, less what the folder holds already.

    Args:
        config: resolved.
        shape: of the student.
        folder: the run folder, which need not exist.
        videos: of all splits.
    """
    parts = needed_bytes(config, shape, videos)
    here = folder
    while not here.exists():
        here = here.parent
    free = shutil.disk_usage(here).free
    held = _size(folder / "checkpoints") + _size(folder / "cache")
    needed = max(sum(parts.values()) - held, 0.0)
    biggest = sorted(parts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in biggest if size >= 5e7)
    text = f"{free / 1e9:.1f} GB free in {here}, up to {needed / 1e9:.1f} GB needed"
    text += f" ({shown})" if shown else ""
    keep = config.grpo.keep_checkpoints
    fix = "give --output a larger disk" + (
        f", lower grpo.keep_checkpoints={keep}" if keep > 1 and "grpo" in config.stages else ""
    )
    if free < needed:
        return Check("run", "disk", "problem", text, fix)
    if free < _TIGHT * needed:
        return Check("run", "disk", "warning", text, fix)
    return Check("run", "disk", "ok", text)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
