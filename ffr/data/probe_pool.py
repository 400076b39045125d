"""Looks at many videos in worker processes that may hang or die without hurting the work.

A decoder that hangs cannot be stopped from inside, and one that crashes takes its process along;
here both cost one video, which is named, and a fresh worker.  Answers are JSON: a worker that a
hostile file took over can lie, but not run anything here.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Died", "run_apart"]

Job = dict[str, Any]
Answer = dict[str, Any]

_MAX_ANSWER = 2**20
_START_S = 120.0
_JOBS_PER_WORKER = 500  # then a fresh one: native libraries leak


@dataclass(frozen=True)
class Died:
    """No answer came: the worker was killed after the deadline, or ended by itself."""

    timed_out: bool
    detail: str


def run_apart(
    work: Callable[[Job], Answer],
    jobs: Iterator[Job],
    *,
    workers: int,
    timeout_s: float,
) -> Iterator[tuple[Job, Answer | Died]]:
    """Do every job in one of ``workers`` processes; answers come as they are ready.

    Args:
        work: a function of a module, called in the workers; plain JSON data in and out.
        jobs: taken as workers become free.
        workers: processes.
        timeout_s: wall time of one job, after which its worker is killed.
    """
    crew = [_Worker(work, timeout_s) for _ in range(max(1, workers))]
    try:
        while True:
            for worker in crew:
                if not worker.busy and (job := next(jobs, None)) is not None:
                    worker.give(job)
            busy = [worker for worker in crew if worker.busy]
            if not busy:
                return
            patience = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
            ready = set(wait([worker.connection for worker in busy], timeout=patience))
            for worker in busy:
                if worker.connection in ready or worker.late:
                    yield worker.take()
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """One process at a time, started when it is first needed."""

    def __init__(self, work: Callable[[Job], Answer], timeout_s: float) -> None:
        self._work = work
        self._timeout_s = timeout_s
        self._process: Any = None
        self._connection: Connection | None = None
        self._job: Job | None = None
        self._done = 0
        self.deadline = 0.0

    @property
    def connection(self) -> Connection:
        assert self._connection is not None
        return self._connection

    @property
    def busy(self) -> bool:
        return self._job is not None

    @property
    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def give(self, job: Job) -> None:
        if self._done >= _JOBS_PER_WORKER:
            self.end()
        grace = 0.0
        if self._process is None:
            self._start()
            grace = _START_S  # imports come first
        self._job = job
        self.deadline = time.monotonic() + self._timeout_s + grace
        with contextlib.suppress(OSError):  # a dead worker is noticed when it is asked
            self.connection.send(job)

    def take(self) -> tuple[Job, Answer | Died]:
        job, self._job = self._job, None
        assert job is not None
        self._done += 1
        if not self.connection.poll():
            self.end()
            return job, Died(True, f"no answer within {self._timeout_s:g} s")
        try:
            answer = json.loads(self.connection.recv_bytes(_MAX_ANSWER))
            if not isinstance(answer, dict):
                raise ValueError("no object")
            return job, answer
        except (EOFError, OSError, ValueError, RecursionError):
            self._process.join(5.0)
            code = self._process.exitcode
            self.end()
            return job, Died(False, f"the decoder ended the process (exit code {code})")

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self.connection.close()
            self._process = self._connection = None
        self._done = 0

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._work, theirs), daemon=True)
        self._process.start()
        theirs.close()


def _serve(work: Callable[[Any], Any], connection: Connection) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            connection.send_bytes(json.dumps(work(connection.recv())).encode())
