"""``python -m ffr.train.verl.sft_cluster RUN_DIR``: the SFT stage on several nodes, as Ray actors.

On one node torchrun starts the ranks.  On several it would have to be started on each of them;
Ray is there already, for GRPO, and knows the nodes.  Each rank runs what torchrun would run.
"""

from __future__ import annotations

import os
import sys

import ray
from omegaconf import DictConfig, OmegaConf
from verl.single_controller.base import Worker
from verl.single_controller.base.decorator import Dispatch, register
from verl.single_controller.ray import RayClassWithInitArgs, RayResourcePool, RayWorkerGroup

from ffr.run.folder import RunFolder
from ffr.train.loggers import logger_environment
from ffr.train.verl.cluster import check_cluster

__all__ = ["SftRank", "main"]

_PASSED_ON = ("VERL_PLATFORM", "FFR_TORCH_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
              "TOKENIZERS_PARALLELISM")  # fmt: skip


class SftRank(Worker):  # type: ignore[misc]
    """One rank; verl's worker sets the variables that tell it its place among the others."""

    def __init__(self, run_dir: str) -> None:
        super().__init__()
        self._run_dir = run_dir

    @register(dispatch_mode=Dispatch.ONE_TO_ALL)  # type: ignore[untyped-decorator]
    def train(self) -> None:
        """Train to the end, or until asked to stop."""
        from ffr.train.verl.sft_main import main as train

        train(self._run_dir)


def main(run_dir: str) -> None:
    """Run the SFT stage whose tree the launcher wrote into the run folder."""
    folder = RunFolder.open(run_dir)
    tree = OmegaConf.load(folder.path / "verl" / "sft.yaml")
    assert isinstance(tree, DictConfig)
    trackers = logger_environment(
        list(tree.trainer.logger), folder, tree.trainer.experiment_name, "sft", environment={}
    )
    names = (*_PASSED_ON, *trackers)
    variables = {name: os.environ[name] for name in names if name in os.environ}
    ray.init(address="auto", runtime_env={"env_vars": variables})
    try:
        check_cluster(tree)
        pool = RayResourcePool([tree.trainer.n_gpus_per_node] * tree.trainer.nnodes,
                               max_colocate_count=3)  # fmt: skip
        ranks = RayWorkerGroup(
            resource_pool=pool,
            ray_cls_with_init=RayClassWithInitArgs(cls=ray.remote(SftRank), run_dir=run_dir),
            device_name=tree.trainer.device,
        )
        ranks.train()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
