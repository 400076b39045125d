"""The devices of this machine and, where a cluster is named, those that have joined it."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["cluster_devices", "local_devices"]


def local_devices() -> dict[str, Any]:
    """What torch sees: its version, the CUDA it was built for, and (name, bytes) by device."""
    found: list[tuple[str, int]] = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            found.append((properties.name, properties.total_memory))
    return {"torch": torch.__version__, "cuda": torch.version.cuda, "devices": found}


def cluster_devices(address: str, *, nodes: int, devices: int, wait_s: float = 5.0) -> str:
    """One line about the Ray cluster at ``address``.

    Raises:
        RayNotReadyError: there is none, or it has fewer nodes or devices.
    """
    from ffr.launch.await_ray import await_nodes, connect_to_ray

    listing = connect_to_ray(address, wait_s=wait_s)
    return await_nodes(listing, nodes=nodes, devices=devices, wait_s=wait_s)
