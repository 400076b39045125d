"""The trainer's checkpoints: whole or not there, as many as wanted, one more when asked to stop."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from ffr.errors import FfrError
from ffr.train.checkpoints import latest_step, make_room, prune, seal, step_folder
from ffr.train.stop import StopAsked, StopFlag
from ffr.train.verl.step_log import StepLog

__all__ = ["CheckpointError", "CheckpointingTrainer"]


class CheckpointError(FfrError):
    """A checkpoint could not be written; the message says where and what is left."""


class CheckpointingTrainer(PPOTrainerSync):  # type: ignore[misc]
    """verl's synchronous trainer with checkpoints that survive what may happen to a run."""

    def __init__(self, config: DictConfig) -> None:
        super().__init__(config=config)
        custom = config.actor_rollout_ref.rollout.custom.ffr
        self._log = StepLog(custom.run_dir)
        self._stop = StopFlag(custom.run_dir)
        self._checkpoints = Path(config.trainer.default_local_dir)
        self._keep = int(custom.keep_checkpoints)
        self._position: Any = None

    def fit(self, agent_loop_manager: Any) -> None:
        """Train to the end, or until asked to stop; then the last whole step is saved."""
        try:
            super().fit(agent_loop_manager)
        except StopAsked:
            self.global_steps -= 1  # the step that was begun is not part of the state
            if self.global_steps > 0 and latest_step(self._checkpoints) != self.global_steps:
                self._save_checkpoint()
            self._shutdown_dump_executor()
            print(f"stopped after step {self.global_steps}", flush=True)

    def on_step_begin(self) -> None:
        """Stop between two steps when asked to, and note how far the data has been read."""
        self._stop.raise_if_asked()
        self._position = self.train_dataloader.state_dict()
        super().on_step_begin()

    def step(self, metrics: dict[str, Any], timing_raw: dict[str, float]) -> Any:
        """A whole step; ``StopAsked`` may end it before its update, never after."""
        batch = super().step(metrics, timing_raw)
        self._position = None  # the data read in this step is trained
        return batch

    def _save_checkpoint(self) -> None:
        step = self.global_steps
        try:
            make_room(self._checkpoints, step, self._keep)
            super()._save_checkpoint()
            if self._position is not None:  # a step was begun and given up
                torch.save(self._position, step_folder(self._checkpoints, step) / "data.pt")
            seal(self._checkpoints, step)
        except Exception as error:
            raise CheckpointError(self._why(step, error)) from error
        prune(self._checkpoints, self._keep)
        self._log.checkpoint(step)

    def _why(self, step: int, error: Exception) -> str:
        last = latest_step(self._checkpoints)
        free = shutil.disk_usage(self._checkpoints).free / 1e9
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines[-1] if lines else type(error).__name__)[:300]
        return (
            f"the checkpoint of step {step} could not be written to {self._checkpoints}, which has "
            f"{free:.2f} GB free ({reason}); free space there, then the same command goes on from "
            f"{'the start' if last is None else f'step {last}'}"
        )
