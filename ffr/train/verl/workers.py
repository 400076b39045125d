"""verl's actor/reference worker with what both our platforms need on top.

* On ``cpu`` the process group is gloo alone: verl would ask for ``cpu:gloo,cpu:gloo``,
  which torch rejects, but it keeps a group that already exists.
* Batches whose samples have equal length need their position ids rebuilt.
* verl 0.9.1 declares ``freeze_vision_tower`` but reads it nowhere; here it freezes.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
from tensordict import TensorDict
from verl.single_controller.base.decorator import Dispatch, register
from verl.utils.device import get_device_name
from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker

from ffr.errors import UserError
from ffr.train.verl.micro_batch import use_even_micro_batches
from ffr.train.verl.position_ids import rebuild_position_ids
from ffr.train.verl.rollouts import register_rollout

__all__ = ["FfrActorWorker", "FfrTrainingWorker", "freeze_vision", "start_cpu_process_group"]


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
        use_even_micro_batches(data, self.engine_config.micro_batch_size_per_gpu)
        return super().train_batch(data)

    def train_mini_batch(self, data: TensorDict) -> TensorDict:
        """One optimiser step per mini-batch."""
        rebuild_position_ids(data)
        return super().train_mini_batch(data)

    def infer_batch(self, data: TensorDict) -> TensorDict:
        """Forward only."""
        rebuild_position_ids(data)
        use_even_micro_batches(data, self.engine_config.infer_micro_batch_size_per_gpu)
        return super().infer_batch(data)


class FfrActorWorker(ActorRolloutRefWorker):  # type: ignore[misc]
    """Actor, reference and rollout client in one Ray worker."""

    actor_worker_cls = FfrTrainingWorker
    ref_worker_cls = FfrTrainingWorker

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        register_rollout(config.rollout.name)
        super().__init__(config, *args, **kwargs)

    @register(dispatch_mode=Dispatch.ONE_TO_ALL)  # type: ignore[untyped-decorator]
    def init_model(self) -> None:
        """Build what this worker's role needs."""
        super().init_model()
        if self.actor is not None and self.config.actor.freeze_vision_tower:
            freeze_vision(self.actor.engine.module, "grpo.freeze_vision")


def freeze_vision(model: torch.nn.Module, key: str) -> None:
    """Keep the vision tower, its merger and any adapters on them as they are.

    Must come before the first forward: FSDP2 looks at ``requires_grad`` then.

    Args:
        model: the student, wrapped or not.
        key: of the configuration that asks for it.

    Raises:
        UserError: the model has no part called ``visual``.
    """
    frozen = [p for name, p in model.named_parameters() if "visual" in name.split(".")]
    if not frozen:
        raise UserError(
            f"{key}=true, but {type(model).__name__} has no part called 'visual'; "
            "set it to false"
        )
    for parameter in frozen:
        parameter.requires_grad_(False)
