"""verl's actor/reference worker with what both our platforms need on top.

* On ``cpu`` the process group is gloo alone: verl would ask for ``cpu:gloo,cpu:gloo``,
  which torch rejects, but it keeps a group that already exists.
* Batches whose samples have equal length need their position ids rebuilt.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
from tensordict import TensorDict
from verl.utils.device import get_device_name
from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker

from ffr.train.verl.position_ids import rebuild_position_ids
from ffr.train.verl.rollouts import register_rollout

__all__ = ["FfrActorWorker", "FfrTrainingWorker", "start_cpu_process_group"]


def start_cpu_process_group() -> None:
    """Start the default process group with gloo, from the usual rank variables."""
    if torch.distributed.is_initialized():
        return
    torch.distributed.init_process_group(
        backend="gloo",
        rank=int(os.environ.get("RANK", 0)),
        world_size=int(os.environ.get("WORLD_SIZE", 1)),
        timeout=timedelta(seconds=600),
        init_method=os.environ.get("DIST_INIT_METHOD"),
    )


class FfrTrainingWorker(TrainingWorker):  # type: ignore[misc]
    """One model under training or inference, in the calling process."""

    def __init__(self, config: Any) -> None:
        if get_device_name() == "cpu":
            from ffr.train.verl import cpu_engine  # noqa: F401  (registers the engine)

            if threads := os.environ.get("FFR_TORCH_THREADS"):
                torch.set_num_threads(int(threads))
            start_cpu_process_group()
        super().__init__(config=config)

    def train_batch(self, data: TensorDict) -> TensorDict:
        """One optimiser step."""
        rebuild_position_ids(data)
        return super().train_batch(data)

    def train_mini_batch(self, data: TensorDict) -> TensorDict:
        """One optimiser step per mini-batch."""
        rebuild_position_ids(data)
        return super().train_mini_batch(data)

    def infer_batch(self, data: TensorDict) -> TensorDict:
        """Forward only."""
        rebuild_position_ids(data)
        return super().infer_batch(data)


class FfrActorWorker(ActorRolloutRefWorker):  # type: ignore[misc]
    """Actor, reference and rollout client in one Ray worker."""

    actor_worker_cls = FfrTrainingWorker
    ref_worker_cls = FfrTrainingWorker

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        register_rollout(config.rollout.name)
        super().__init__(config, *args, **kwargs)
