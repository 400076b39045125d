"""Where a stage goes on: said, and refused where it would do nothing or could not be loaded."""

from __future__ import annotations

import re
from pathlib import Path

from ffr.errors import UserError
from ffr.train.checkpoints import latest_step, step_folder, step_of

__all__ = ["resume_from"]

_SHARD = re.compile(r"model_world_size_(\d+)_rank_\d+\.pt")


def resume_from(
    stage: str, checkpoints: Path, *, steps: int, ranks: int, resume: str = "auto"
) -> Path | None:
    """The checkpoint a stage goes on from, printed with what is left; ``None``: from the start.

    Args:
        stage: name of the stage.
        checkpoints: its folder of checkpoints.
        steps: steps the stage has in all.
        ranks: training processes of this run.
        resume: ``auto`` (or ``never``) for the last whole checkpoint, else a checkpoint's folder.

    Raises:
        UserError: no step would be left, the folder is no checkpoint, or another number of ranks
            wrote it.
    """
    if resume in ("auto", "never"):
        last = latest_step(checkpoints)
        if last is None:
            return None
        folder = step_folder(checkpoints, last)
    else:
        folder = Path(resume).resolve()
    step = step_of(folder)
    if step is None or not folder.is_dir():
        raise UserError(f"--resume {resume} is no checkpoint; give a folder .../global_step_N")
    left = steps - step
    if left < 0:
        raise UserError(
            f"the checkpoint to go on from is step {step}, past {stage}.steps={steps}; "
            f"raise {stage}.steps or choose another --output"
        )
    if left == 0:
        raise UserError(
            f"{folder} is step {step} of {steps}: no step is left to train; raise {stage}.steps, "
            "or resume from an earlier checkpoint"
        )
    _same_ranks(folder, ranks)
    print(f"{stage}: resuming at step {step}, {left} of {steps} steps left", flush=True)
    return folder


def _same_ranks(folder: Path, ranks: int) -> None:
    """FSDP writes a file for each rank and reads back only its own."""
    shards = [m for path in folder.rglob("model_world_size_*.pt") if (m := _SHARD.match(path.name))]
    wrote = {int(shard[1]) for shard in shards}
    if shards and ranks not in wrote:
        raise UserError(
            f"{folder} was written by {max(wrote)} ranks, this run has {ranks} (hardware.nodes x "
            "devices_per_node); use as many, or start a new run with student.path set to its "
            "huggingface folder"
        )
