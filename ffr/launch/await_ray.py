"""Wait until all nodes of a run have joined its Ray cluster.

verl would ask for more devices than there are and wait for ever without a word.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ffr.errors import UserError

__all__ = ["RayNotReadyError", "await_nodes", "connect_to_ray"]

_LEAST_S = 5.0  # Ray takes seconds to look
Nodes = Callable[[], Sequence[Mapping[str, Any]]]


class RayNotReadyError(UserError):
    """Fewer nodes or devices have joined than the run needs."""


def connect_to_ray(address: str, *, wait_s: float, poll_s: float = 5.0) -> Nodes:
    """Connect as a driver without work; returns what lists the nodes.

    Raises:
        RayNotReadyError: there is no Ray at the address within ``wait_s`` seconds.
    """
    import ray

    end = time.monotonic() + wait_s
    # `ray.init` alone would try for a quarter of an hour, deaf to any limit.
    while address != "auto" and not _answers(address, max(end - time.monotonic(), _LEAST_S)):
        if time.monotonic() + poll_s > end:
            raise RayNotReadyError(
                f"no Ray at {address} within {wait_s:g} s; look at the log of its head, or raise "
                "launch.ray.wait_s"
            )
        time.sleep(poll_s)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RayNotReadyError(
            f"cannot join the Ray at {address} ({reason}); start the cluster, or mend its address"
        ) from error
    listing: Nodes = ray.nodes
    return listing


def _answers(address: str, limit_s: float) -> bool:
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(  # noqa: S603 - Ray's own command
            command, capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def await_nodes(
    list_nodes: Nodes,
    *,
    nodes: int,
    devices: int,
    wait_s: float,
    poll_s: float = 5.0,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Wait until enough living nodes with enough devices are there.

    Args:
        list_nodes: what ``connect_to_ray`` returns.
        nodes: living nodes wanted; those without devices count too.
        devices: devices wanted on all of them together.
        wait_s: longest wait, seconds.
        poll_s: seconds between two looks.
        say: told whenever the numbers change.

    Returns:
        One line for people.

    Raises:
        RayNotReadyError: names what is missing.
    """
    began, before = time.monotonic(), ""
    while True:
        alive = [node for node in list_nodes() if node["Alive"]]
        found = int(sum(node["Resources"].get("GPU", 0) for node in alive))
        text = f"ray: {len(alive)} of {nodes} nodes, {found} of {devices} devices"
        if len(alive) >= nodes and found >= devices:
            return text
        if text != before:
            say(text)
            before = text
        if time.monotonic() - began + poll_s > wait_s:
            raise RayNotReadyError(
                f"{text} after {wait_s:g} s; look at the logs of the missing nodes, lower "
                "hardware.nodes or devices_per_node, or raise launch.ray.wait_s"
            )
        time.sleep(poll_s)
