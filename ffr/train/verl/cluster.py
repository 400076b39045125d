"""Whether the Ray cluster that was joined can hold the run."""

from __future__ import annotations

import ray
from omegaconf import DictConfig

from ffr.launch.await_ray import await_nodes

__all__ = ["check_cluster"]

_WAIT_S = 60.0


def check_cluster(tree: DictConfig) -> None:
    """Wait a moment for missing nodes; without the check verl would wait for ever, silently.

    Args:
        tree: verl's tree of a stage.

    Raises:
        RayNotReadyError: fewer nodes or devices have joined than the stage needs.
    """
    nodes, devices = int(tree.trainer.nnodes), int(tree.trainer.n_gpus_per_node)
    await_nodes(ray.nodes, nodes=nodes, devices=nodes * devices, wait_s=_WAIT_S)
