"""Which checkpoint of a run is exported, and where its weights lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ffr.errors import UserError
from ffr.train.checkpoints import latest_step

__all__ = ["Checkpoint", "Dtype", "ExportError", "Stage", "find_checkpoint"]

Stage = Literal["grpo", "sft"]
Dtype = Literal["bfloat16", "float16", "float32"]
_STAGES: tuple[Stage, ...] = ("grpo", "sft")


class ExportError(UserError):
    """The checkpoint cannot be exported; the message says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint in the form of the libraries.

    Attributes:
        folder: configuration, processor and safetensors.
        state: the folder verl's own files lie in.
    """

    stage: Stage
    step: int
    folder: Path
    state: Path


def find_checkpoint(run: Path, stage: Stage | None = None, step: int | None = None) -> Checkpoint:
    """The chosen checkpoint of a run folder; by default the last of its last stage.

    Raises:
        ExportError: there is none, or it holds no weights in safetensors.
    """
    for name in (stage,) if stage else _STAGES:
        checkpoints = run / "checkpoints" / name
        steps = _steps(checkpoints)
        wanted = step if step is not None else latest_step(checkpoints)
        if wanted is None and steps:  # killed before the first was noted: none is known whole
            raise ExportError(
                f"{checkpoints} holds no finished checkpoint; continue the run, or name one with "
                f"--step ({_listed(steps)})"
            )
        if wanted is not None and wanted in steps:
            return _checkpoint(name, checkpoints / f"global_step_{wanted}", wanted)
        if steps and (stage is not None or step is not None):
            raise ExportError(
                f"{checkpoints} holds no checkpoint of step {wanted}; there are {_listed(steps)}"
            )
    which = f"stage {stage}" if stage else "any stage"
    raise ExportError(f"{run} holds no checkpoint of {which}; train first (grpo.save_every)")


def _checkpoint(stage: Stage, folder: Path, step: int) -> Checkpoint:
    state = folder / "actor" if stage == "grpo" else folder
    weights = state / "huggingface"
    if not list(weights.glob("*.safetensors")):
        raise ExportError(
            f"{weights} holds no safetensors; if the run's verl block took hf_model out of "
            f"save_contents, make them with `python -m verl.model_merger merge --backend fsdp "
            f"--local_dir {state} --target_dir {weights}`"
        )
    return Checkpoint(stage, step, weights, state)


def _steps(checkpoints: Path) -> list[int]:
    found = (path.name.removeprefix("global_step_") for path in checkpoints.glob("global_step_*"))
    return sorted(int(name) for name in found if name.isdigit())


def _listed(steps: list[int]) -> str:
    return ", ".join(map(str, steps))
