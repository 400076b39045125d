"""``torchrun -m ffr.train.verl.sft_main RUN_DIR``: verl's SFT trainer on our records."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from tensordict import TensorDict
from verl.trainer.sft_trainer import SFTTrainer
from verl.utils.device import get_device_name
from verl.utils.distributed import destroy_global_process_group, initialize_global_process_group
from verl.workers.engine_workers import TrainingWorkerConfig
from verl.workers.utils.losses import sft_loss

from ffr.run.folder import RunFolder
from ffr.train.checkpoints import make_room, prune, seal
from ffr.train.fate import die_with_parent
from ffr.train.stop import StopAsked, StopFlag
from ffr.train.verl.workers import FfrTrainingWorker, freeze_vision, start_cpu_process_group

__all__ = ["FfrSftTrainer", "main"]

_KEEP = 1


class _LoggedWorker(FfrTrainingWorker):
    """Our worker with one metrics line per step in the run folder."""

    folder: RunFolder
    stop: StopFlag
    first_step = 0
    last_step = 0
    _done = 0

    @property
    def step(self) -> int:
        """The step that was done last, over all launches."""
        return self.first_step + self._done

    def train_batch(self, data: TensorDict) -> TensorDict:
        began = time.monotonic()
        output = super().train_batch(data)
        self._done += 1
        if self.rank == 0:
            metrics = output["metrics"]
            self.folder.append_metrics(
                {
                    "stage": "sft",
                    "step": self.step,
                    "seconds": time.monotonic() - began,
                    "loss": float(metrics["loss"]),
                    "grad_norm": float(metrics["grad_norm"]),
                }
            )
        if self.step < self.last_step:
            self._stop_if_asked()
        return output

    def _stop_if_asked(self) -> None:
        """All ranks stop after the same step: the first one looks, the others are told."""
        asked = torch.tensor([float(self.rank == 0 and self.stop.asked())],
                             device=get_device_name())  # fmt: skip
        torch.distributed.broadcast(asked, src=0)
        if asked.item():
            raise StopAsked("asked to stop")


class FfrSftTrainer(SFTTrainer):  # type: ignore[misc]
    """verl's trainer with our worker, parts that stay frozen, and a schedule of its own length."""

    def _build_engine(self) -> None:
        self.loss_fn = partial(sft_loss, config=None)
        self.training_client = _LoggedWorker(
            config=TrainingWorkerConfig(
                model_type="language_model",
                model_config=self.model_config,
                engine_config=self.engine_config,
                optimizer_config=self.optimizer_config,
                checkpoint_config=self.checkpoint_config,
                profiler_config=self.profiler_config,
            )
        )
        self.training_client.folder = RunFolder.open(self.config.data.ffr.run_dir)
        self.training_client.stop = StopFlag(self.config.data.ffr.run_dir)
        self.training_client.set_loss_fn(loss_fn=self.loss_fn)
        self.engine = self.training_client.engine

    def _init_engine(self) -> None:
        # verl ends the cosine at the last step; ``sft.schedule_steps`` may be longer.
        steps = self.config.trainer.total_training_steps
        self.config.trainer.total_training_steps = int(self.config.data.ffr.schedule_steps)
        super()._init_engine()
        self.config.trainer.total_training_steps = steps
        self.total_training_steps = steps
        if self.config.data.ffr.freeze_vision:
            freeze_vision(self.engine.module, "sft.freeze_vision")

    def _build_ckpt_handler(self) -> None:
        """verl's handler, but a checkpoint counts, and replaces others, only once it is whole."""
        super()._build_ckpt_handler()
        checkpoints = Path(self.config.trainer.default_local_dir)
        save = self.ckpt_handler.save_checkpoint

        def save_whole(step: int) -> None:
            if self.rank == 0:
                make_room(checkpoints, step, _KEEP)
            save(step=step)
            if self.rank == 0:
                seal(checkpoints, step)
                prune(checkpoints, _KEEP)

        self.ckpt_handler.save_checkpoint = save_whole

    def fit(self) -> None:
        """Train to the end, numbering steps from the checkpoint that was loaded.

        Asked to stop, the ranks save the step they have just done.
        """
        self.training_client.first_step = self.resume_global_step
        self.training_client.last_step = self.total_training_steps
        try:
            super().fit()
        except StopAsked:
            self.ckpt_handler.save_checkpoint(step=self.training_client.step)


def main(run_dir: str) -> None:
    """Run the SFT stage whose tree the launcher wrote into the run folder."""
    tree = OmegaConf.load(RunFolder.open(run_dir).path / "verl" / "sft.yaml")
    assert isinstance(tree, DictConfig)
    die_with_parent()
    torch.manual_seed(tree.trainer.seed)
    if get_device_name() == "cpu":
        start_cpu_process_group()
    else:
        initialize_global_process_group()
    FfrSftTrainer(config=tree).fit()
    destroy_global_process_group()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main(sys.argv[1])
