"""Notice dead Ray actors while waiting for rollouts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayActorError

from ffr.errors import FfrError

__all__ = ["ActorDiedError", "ActorWatch"]

_CHECK_EVERY_S = 3.0


class ActorDiedError(FfrError):
    """A process the step waits for is gone; the message names it and how to go on."""


class ActorWatch:
    """Asks every actor whether it is alive, without waiting for the answer.

    verl's replay buffer polls a queue: when the process that should fill it dies, it
    would poll for ever.
    """

    def __init__(self, actors: Mapping[str, Any]) -> None:
        self._actors = dict(actors)
        self._pending: dict[Any, str] = {}
        self._last = 0.0

    def check(self) -> None:
        """Raise when an actor was found dead since the last call; cheap to call often.

        Raises:
            ActorDiedError: naming the actor and Ray's reason.
        """
        now = time.monotonic()
        if now - self._last >= _CHECK_EVERY_S:
            self._last = now
            asked = set(self._pending.values())
            for name, actor in self._actors.items():
                if name not in asked:
                    self._pending[actor.__ray_ready__.remote()] = name
        if not self._pending:
            return
        done, _ = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        for ref in done:
            name = self._pending.pop(ref)
            try:
                ray.get(ref)
            except RayActorError as error:
                reason = " ".join(str(error).split())[:400]
                raise ActorDiedError(
                    f"{name} died while the step waited for it ({reason}); its last lines are in "
                    "the log of this stage; the same command resumes from the last checkpoint"
                ) from error

    def name_the_dead(self, seconds: float = 5.0) -> None:
        """After an error whose cause may be a death: look for it, for that long.

        Raises:
            ActorDiedError: naming the actor and Ray's reason.
        """
        end = time.monotonic() + seconds
        self._last = 0.0
        while time.monotonic() < end:
            self.check()
            time.sleep(0.1)
