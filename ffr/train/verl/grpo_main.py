"""``python -m ffr.train.verl.grpo_main RUN_DIR``: verl's PPO path with our trainer and workers."""

from __future__ import annotations

import os
import sys

import ray
from omegaconf import DictConfig, OmegaConf
from verl.trainer.main_ppo import TaskRunnerV1, run_ppo

from ffr.run.folder import RunFolder
from ffr.train.verl.cluster import check_cluster

__all__ = ["FfrTaskRunner", "main"]


class FfrTaskRunner(TaskRunnerV1.__ray_metadata__.modified_class):  # type: ignore[misc]
    """verl's task runner; importing the trainer module is what registers its name."""

    def run(self, config: DictConfig) -> None:
        """Train to the end."""
        from ffr.train.verl import trainer  # noqa: F401

        check_cluster(config)
        super().run(config)


def main(run_dir: str) -> None:
    """Run the GRPO stage whose tree the launcher wrote into the run folder."""
    tree = OmegaConf.load(RunFolder.open(run_dir).path / "verl" / "grpo.yaml")
    assert isinstance(tree, DictConfig)
    try:
        run_ppo(tree, task_runner_class=ray.remote(FfrTaskRunner))
    finally:
        ray.shutdown()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main(sys.argv[1])
