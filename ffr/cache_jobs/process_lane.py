"""A writer in a process of its own, spoken to in JSON lines over its pipes.

The process ends with its parent, however that died: a writer that went on would pay for calls
its restarted job makes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ffr.cache_jobs.items import ItemResult, VideoGroup
from ffr.cache_jobs.lanes import LaneDiedError
from ffr.cache_jobs.worker import Told, WorkerSetup
from ffr.errors import UserError

__all__ = ["Answer", "Order", "ProcessLane"]

_LINE_BYTES = 64 * 2**20
_STOP_S = 10.0


class Order(BaseModel):
    """A line to the writer: a group to work on, or (``stop``) nothing more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = 0
    group: VideoGroup | None = None
    stop: bool = False


class Answer(BaseModel):
    """A line from the writer: a result, the end of a group, or the reason to end the job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    result: ItemResult | None = None
    done: bool = False
    fatal: str | None = None


class _Running:
    """One life of the process: its pipes and the groups it was given."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.orders = process.stdin
        self.groups: dict[int, tuple[Told, asyncio.Future[None]]] = {}
        self.reader = asyncio.create_task(self._read(process.stdout))

    def send(self, order: Order) -> None:
        self.orders.write(order.model_dump_json().encode() + b"\n")

    async def _read(self, answers: asyncio.StreamReader) -> None:
        try:
            while line := await answers.readline():
                self._hear(Answer.model_validate_json(line))
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            code = await self.process.wait()
            error = LaneDiedError(f"a writer process ended with code {code}")
            for _, ended in self.groups.values():
                if not ended.done():
                    ended.set_exception(error)

    def _hear(self, answer: Answer) -> None:
        if answer.number not in self.groups:
            return  # nobody waits for it any more
        told, ended = self.groups[answer.number]
        if answer.result is not None:
            told(answer.result)
        if ended.done():
            return
        if answer.fatal is not None:
            ended.set_exception(UserError(answer.fatal))
        elif answer.done:
            ended.set_result(None)


class ProcessLane:
    """Starts ``python -m ffr.cache_jobs.process_worker`` when it is first needed.

    Args:
        setup: what the writer needs to know; its key comes from the environment.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        self.concurrency = setup.concurrency
        self._setup = setup
        self._numbers = itertools.count()
        self._life: _Running | None = None
        self._starting = asyncio.Lock()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process's id, while it runs."""
        return self._life.process.pid if self._life is not None else None

    async def run(self, group: VideoGroup, told: Told) -> None:
        """Work on the group in the process.

        Raises:
            LaneDiedError: the process died.
            UserError: the writer says the job must end.
        """
        async with self._starting:
            if self._life is None or self._life.reader.done():
                self._life = _Running(await self._start())
                if self._stopped:
                    self._life.send(Order(stop=True))
            life = self._life
        number = next(self._numbers)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        life.groups[number] = told, ended
        try:
            with contextlib.suppress(ConnectionError):  # the reader says what happened
                life.send(Order(number=number, group=group))
                await life.orders.drain()
            if life.reader.done() and not ended.done():
                raise LaneDiedError("a writer process ended")
            await ended
        finally:
            del life.groups[number]

    def stop(self) -> None:
        """Begin no further item."""
        self._stopped = True
        if self._life is not None and not self._life.reader.done():
            with contextlib.suppress(ConnectionError):
                self._life.send(Order(stop=True))

    async def aclose(self) -> None:
        """End the process; it finishes what is under way first."""
        life, self._life = self._life, None
        if life is None:
            return
        with contextlib.suppress(ConnectionError):
            life.orders.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await asyncio.shield(life.reader)
        except TimeoutError:
            life.process.kill()
            await life.reader

    async def _start(self) -> Process:
        # The child must import this very package, also when it is not installed.
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ffr.cache_jobs.process_worker",
            stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(self._setup.model_dump_json().encode() + b"\n")
        return process
