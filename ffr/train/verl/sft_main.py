"""``torchrun -m ffr.train.verl.sft_main RUN_DIR``: verl's SFT trainer on our records."""

from __future__ import annotations

import os
import sys
import time
from functools import partial

import torch
from omegaconf import DictConfig, OmegaConf
from tensordict import TensorDict
from verl.trainer.sft_trainer import SFTTrainer
from verl.utils.device import get_device_name
from verl.utils.distributed import destroy_global_process_group, initialize_global_process_group
from verl.workers.engine_workers import TrainingWorkerConfig
from verl.workers.utils.losses import sft_loss

from ffr.run.folder import RunFolder
from ffr.train.fate import die_with_parent
from ffr.train.verl.workers import FfrTrainingWorker, start_cpu_process_group

__all__ = ["FfrSftTrainer", "main"]


class _LoggedWorker(FfrTrainingWorker):
    """Our worker with one metrics line per step in the run folder."""

    folder: RunFolder
    first_step = 0
    _done = 0

    def train_batch(self, data: TensorDict) -> TensorDict:
        began = time.monotonic()
        output = super().train_batch(data)
        self._done += 1
        if self.rank == 0:
            metrics = output["metrics"]
            self.folder.append_metrics(
                {
                    "stage": "sft",
                    "step": self.first_step + self._done,
                    "seconds": time.monotonic() - began,
                    "loss": float(metrics["loss"]),
                    "grad_norm": float(metrics["grad_norm"]),
                }
            )
        return output


class FfrSftTrainer(SFTTrainer):  # type: ignore[misc]
    """verl's trainer with our worker and a schedule that may be longer than the run."""

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
        self.training_client.set_loss_fn(loss_fn=self.loss_fn)
        self.engine = self.training_client.engine

    def _init_engine(self) -> None:
        # verl ends the cosine at the last step; ``sft.schedule_steps`` may be longer.
        steps = self.config.trainer.total_training_steps
        self.config.trainer.total_training_steps = int(self.config.data.ffr.schedule_steps)
        super()._init_engine()
        self.config.trainer.total_training_steps = steps
        self.total_training_steps = steps

    def fit(self) -> None:
        """Train to the end, numbering steps from the checkpoint that was loaded."""
        self.training_client.first_step = self.resume_global_step
        super().fit()


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
