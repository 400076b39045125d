"""A writer as an actor on a Ray cluster. Ray is imported only when a job asks for it.

Every node must see the videos, the store and the job folder under the same paths, and have the
teacher's key in its environment: keys never travel through Ray.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffr.cache_jobs.items import ItemResult, VideoGroup
from ffr.cache_jobs.lanes import LaneDiedError
from ffr.cache_jobs.worker import GroupWorker, Told, WorkerSetup
from ffr.config.cache import RayConfig
from ffr.errors import UserError

__all__ = ["RayLane", "ray_cluster"]

_AT_ONCE = 1000
_CLOSE_S = 30.0
_CONNECT_S = 10.0


class _Actor:
    """What runs on the cluster: a ``GroupWorker`` that speaks JSON.

    Args:
        setup: a ``WorkerSetup``.
        folder: where the job was started; relative paths in the configuration start there.
    """

    def __init__(self, setup: str, folder: str) -> None:
        with contextlib.suppress(OSError):
            os.chdir(folder)
        self._setup = WorkerSetup.model_validate_json(setup)
        self._worker: GroupWorker | None = None
        self._stopped = False

    async def run(self, group: str) -> tuple[list[str], str | None]:
        """Results of a group, and the reason to end the job if there is one."""
        results: list[ItemResult] = []
        fatal = None
        try:
            if self._worker is None:
                self._worker = GroupWorker(self._setup)
                if self._stopped:
                    self._worker.stop()
            await self._worker.run(VideoGroup.model_validate_json(group), results.append)
        except UserError as error:
            fatal = str(error)
        return [result.model_dump_json() for result in results], fatal

    async def stop(self) -> None:
        self._stopped = True
        if self._worker is not None:
            self._worker.stop()

    async def aclose(self) -> None:
        if self._worker is not None:
            await self._worker.aclose()


class RayLane:
    """Starts its actor when it is first needed, and another one when that dies.

    Args:
        setup: what the writer needs to know.
        config: CPUs of the actor.
    """

    def __init__(self, setup: WorkerSetup, config: RayConfig) -> None:
        self.concurrency = setup.concurrency
        self._setup = setup
        self._config = config
        self._actor: Any = None
        self._stopped = False

    async def run(self, group: VideoGroup, told: Told) -> None:
        """Work on the group in the actor; results arrive when the group is done.

        Raises:
            LaneDiedError: the actor or its node died.
            UserError: the writer says the job must end.
        """
        from ray.exceptions import RayActorError

        if self._actor is None:
            self._actor = self._start()
        actor = self._actor
        try:
            results, fatal = await actor.run.remote(group.model_dump_json())
        except RayActorError as error:
            if self._actor is actor:
                self._actor = None
            raise LaneDiedError(f"a Ray worker died: {type(error).__name__}") from error
        for result in results:
            told(ItemResult.model_validate_json(result))
        if fatal is not None:
            raise UserError(fatal)

    def stop(self) -> None:
        """Begin no further item."""
        self._stopped = True
        if self._actor is not None:
            self._actor.stop.remote()

    async def aclose(self) -> None:
        """End the actor; it finishes what is under way first."""
        import ray
        from ray.exceptions import RayActorError

        actor, self._actor = self._actor, None
        if actor is None:
            return
        with contextlib.suppress(RayActorError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await actor.aclose.remote()
        ray.kill(actor)

    def _start(self) -> Any:
        import ray

        remote: Any = ray.remote(_Actor)
        options = remote.options(num_cpus=self._config.cpus_per_worker, max_concurrency=_AT_ONCE)
        actor = options.remote(self._setup.model_dump_json(), str(Path.cwd()))
        if self._stopped:
            actor.stop.remote()
        return actor


@contextlib.contextmanager
def ray_cluster(config: RayConfig, workers: int) -> Iterator[None]:
    """Connect to the cluster, or start Ray on this machine, for the length of the job.

    Args:
        config: address and CPUs of a worker.
        workers: so many are wanted; a Ray started here is made large enough for them.

    Raises:
        UserError: Ray is not installed, or the address does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "workers=ray needs Ray, which is not installed; install the extra 'train', or set "
            "workers=local"
        ) from error
    mine = not ray.is_initialized()
    if mine:
        options: dict[str, Any] = {"address": config.address}
        if config.address is None and os.environ.get("RAY_ADDRESS", "local") == "local":
            cpus = max(1, -(-int(workers * config.cpus_per_worker * 1000) // 1000))
            # Said, or Ray would join whatever cluster runs on this machine.
            options = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
        _check_reachable(config.address)
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"ray.address={config.address!r} cannot be used ({error}); start a cluster with "
                "`ray start`, or set ray.address=null to start Ray here"
            ) from error
    try:
        yield
    finally:
        if mine:
            ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Ray itself waits for minutes before it says that nobody listens.

    Raises:
        UserError: ``address`` names a host and port, and no connection can be made.
    """
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"ray.address={address!r} does not answer ({error}); start a cluster with "
            "`ray start --head`, give its address, or set ray.address=null to start Ray here"
        ) from error
