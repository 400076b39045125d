"""A rollout engine for verl on vLLM built for CPUs (``hardware.rollout: vllm_cpu``).

The training worker's half, free of vLLM: importing this module costs nothing, and the
server half (``vllm_cpu_server``) is imported only by processes that run or launch it.
"""

from __future__ import annotations

from typing import Any

import ray
from verl.workers.rollout import base as rollout_base
from verl.workers.rollout.replica import RolloutReplicaRegistry

from ffr.train.verl import vllm_cpu_metadata
from ffr.train.verl.hf_rollout import HfServerAdapter
from ffr.train.verl.vllm_cpu_metadata import NAME

__all__ = ["NAME", "VllmCpuServerAdapter", "register"]


class VllmCpuServerAdapter(HfServerAdapter):
    """The training worker's end: gathers full weights and sends them to its server."""

    def _find_server(self) -> Any:
        return ray.get_actor(f"{NAME}_server_{self.replica_rank}_0")  # as vLLMReplica names it


def _load_replica() -> type:
    from ffr.train.verl.vllm_cpu_server import VllmCpuReplica

    return VllmCpuReplica


def register() -> None:
    """Make ``rollout.name: ffr_vllm_cpu`` known to verl in this process.

    Raises:
        UserError: vllm-cpu is not installed.
    """
    vllm_cpu_metadata.require()
    RolloutReplicaRegistry.register(NAME, _load_replica)
    rollout_base._ROLLOUT_REGISTRY[(NAME, "async")] = f"{__name__}.{VllmCpuServerAdapter.__name__}"
