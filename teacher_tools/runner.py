"""Runs tool calls of untrusted models on untrusted videos, in processes that can be killed.

A hang, a crash or an exhausted memory costs one call.  Arguments are checked here, before any
process sees them; videos are opened only in the workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import queue
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from teacher_tools.errors import ToolError, ToolsetError, safe_text
from teacher_tools.evidence import Evidence
from teacher_tools.hiding import Hiding
from teacher_tools.process import IN_WORKER, WorkerDiedError, WorkerProcess
from teacher_tools.tool import Tool
from teacher_tools.toolset import Toolset
from teacher_tools.totals import Totals
from teacher_tools.video import Budget
from teacher_tools.wire import Head, unpack_evidence

__all__ = ["Boundary", "ToolResult", "ToolRunner"]

Boundary = Literal["decode", "tool", "provider", "timeout"]
"""Where a call failed: reading the video, the tool's own code, a service the tool depends on, or
nowhere in particular because the declared wall time was over (``detail`` says during what)."""

_GRACE_S = 1.0  # for a worker to report a timeout by itself before it is killed
_CALLS_PER_WORKER = 200  # then a fresh one: native libraries leak
_MAX_TEXT = 4_000
_MAX_LABEL = 120
_BYTES_PER_PIXEL = 3
_NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_FAILED: dict[Boundary, str] = {
    "decode": "The video could not be decoded for this call. Try another moment or another tool.",
    "tool": "The tool failed. Try other arguments or another tool.",
    "provider": "A service this tool needs is not available now. Try another tool.",
    "timeout": "The call took too long and was stopped. Ask for fewer frames or a shorter stretch.",
}


@dataclass(frozen=True, eq=False)
class ToolResult:
    """What came of a call; exactly one of three.

    ``evidence`` is set: the call worked.  ``boundary`` is set: it failed, and the boundary says
    where.  Neither: the call was refused, and ``message`` tells the teacher how to mend it.

    Attributes:
        tool: name of the tool as called.
        arguments: checked arguments with defaults filled in; empty when they were refused.
        evidence: the answer.
        message: text for the teacher in every case; free of paths.
        boundary: where a failure happened.
        detail: about a failure, for the log only: may hold paths and traces.
        seconds: wall time from the call to the answer, waiting for a worker included.
    """

    tool: str
    arguments: dict[str, Any]
    evidence: Evidence | None
    message: str
    boundary: Boundary | None = None
    detail: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether there is evidence."""
        return self.evidence is not None


class ToolRunner:
    """A toolset with a small pool of workers, started when first needed.

    May be called from any thread and any event loop.

    Args:
        toolset: the tools that may be called.
        workers: most worker processes.
        memory_bytes: limit of each worker's address space.
        environment: names of environment variables that tools need; keys stay out otherwise.

    Raises:
        ToolsetError: started from inside a worker.
    """

    def __init__(
        self,
        toolset: Toolset,
        *,
        workers: int = 2,
        memory_bytes: int = 4 * 2**30,
        environment: Iterable[str] = (),
    ) -> None:
        if os.environ.get(IN_WORKER):
            raise ToolsetError(
                "a tool runner was started while a worker loaded a tools file; put the script's "
                'own work under `if __name__ == "__main__":`'
            )
        self.toolset = toolset
        self._memory_bytes = memory_bytes
        self._environment = tuple(environment)
        self._hiding = Hiding(self._environment)
        self._idle: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._alive: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ffr-tools")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def call(
        self,
        name: str,
        arguments_json: str,
        video: Path,
        *,
        max_frames: int | None = None,
        totals: Totals | None = None,
    ) -> ToolResult:
        """Run one call without blocking the event loop.

        Never raises for what a model, a tool or a video does.

        Args:
            name: the tool's name as the model gave it.
            arguments_json: its arguments as the model gave them.
            video: the file, already resolved (``resolve_media``).
            max_frames: most frames the caller can still use; the tool's budget when None.
            totals: what all calls for one patch may use; this call is charged to it.

        Raises:
            RuntimeError: the runner is closed.
        """
        future = self._submit(name, arguments_json, video, max_frames, totals)
        return await asyncio.wrap_future(future)

    def call_sync(
        self,
        name: str,
        arguments_json: str,
        video: Path,
        *,
        max_frames: int | None = None,
        totals: Totals | None = None,
    ) -> ToolResult:
        """As ``call``, for scripts."""
        return self._submit(name, arguments_json, video, max_frames, totals).result()

    def close(self) -> None:
        """Kill all workers; calls under way end as failures, waiting ones are cancelled."""
        with self._lock:
            self._closed = True
            alive = list(self._alive)
        for worker in alive:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            alive = list(self._alive)
        for worker in alive:
            self._drop(worker)

    def _submit(
        self,
        name: str,
        arguments_json: str,
        video: Path,
        max_frames: int | None,
        totals: Totals | None,
    ) -> Future[ToolResult]:
        start = time.monotonic()

        def run() -> ToolResult:
            result = self._call(name, arguments_json, video, max_frames, totals)
            return dataclasses.replace(result, seconds=time.monotonic() - start)

        return self._threads.submit(run)

    def _call(
        self,
        name: str,
        arguments_json: str,
        video: Path,
        max_frames: int | None,
        totals: Totals | None,
    ) -> ToolResult:
        tool = self.toolset.get(name)
        if tool is None:
            known = ", ".join(self.toolset.names) or "none"
            return _refused(name, {}, f"unknown tool {safe_text(name, 60)!r}; available: {known}")
        try:
            arguments = tool.parameters.parse(arguments_json)
        except ToolError as error:
            return _refused(name, {}, str(error))
        budget = tool.budget
        if max_frames is not None and max_frames < budget.frames:
            if max_frames < 1:
                return _refused(name, arguments, "no more pictures fit; answer with what you have")
            budget = dataclasses.replace(budget, frames=max_frames)
        if totals is None:
            return self._run(tool, arguments, video, budget)
        try:
            budget = totals.take(budget)
        except ToolError as error:
            return _refused(name, arguments, str(error))
        start = time.monotonic()
        frames = pixels = 0
        try:
            result = self._run(tool, arguments, video, budget)
            if result.evidence is not None:
                frames, pixels = len(result.evidence.frames), result.evidence.pixels
        finally:
            seconds = time.monotonic() - start
            totals.settle(budget, frames=frames, pixels=pixels, seconds=seconds)
        return result

    def _run(
        self, tool: Tool, arguments: dict[str, Any], video: Path, budget: Budget
    ) -> ToolResult:
        request = {
            "tool": tool.name,
            "origin": dataclasses.asdict(self.toolset.origin(tool.name)),
            "hash": tool.hash,
            "arguments": json.dumps(arguments),
            "budget": dataclasses.asdict(budget),
            "video": os.fspath(video.absolute()),  # a worker has a folder of its own
        }
        try:
            worker = self._take()
        except WorkerDiedError as error:
            return _failed(tool.name, arguments, "tool", f"no worker could be started: {error}")
        try:
            head, blob = worker.call(
                request, budget.seconds + _GRACE_S, max_blob=_BYTES_PER_PIXEL * budget.pixels
            )
            result = self._result(tool, arguments, budget, head, blob, video)
        except WorkerDiedError as error:
            self._drop(worker)
            boundary: Boundary = "decode" if error.phase == "decode" else "tool"
            kind: Boundary = "timeout" if error.timed_out else boundary
            detail = self._hiding.for_log(f"in phase {error.phase!r}: {error}")
            return _failed(tool.name, arguments, kind, detail)
        except _NONSENSE as error:
            self._drop(worker)  # it talks nonsense: broken, or taken over
            detail = self._hiding.for_log(f"malformed answer: {error!r:.500}")
            return _failed(tool.name, arguments, "tool", detail)
        self._give_back(worker)
        return result

    def _result(
        self,
        tool: Tool,
        arguments: dict[str, Any],
        budget: Budget,
        head: Head,
        blob: memoryview,
        video: Path,
    ) -> ToolResult:
        kind = head["kind"]
        if kind == "error":
            text = self._hiding.for_model(str(head["text"]), video)
            return _refused(tool.name, arguments, text)
        if kind == "failure" and head["boundary"] in _FAILED:
            detail = self._hiding.for_log(str(head["detail"]))
            return _failed(tool.name, arguments, head["boundary"], detail)
        if kind != "evidence":
            raise ValueError(f"unknown kind of answer {kind!r}")
        evidence = unpack_evidence(head["evidence"], blob)
        if len(evidence.frames) > budget.frames or evidence.pixels > budget.pixels:
            raise ValueError("more frames or pixels than the budget allows")
        text = safe_text(self._hiding.for_model(evidence.text, video), _MAX_TEXT)
        frames = tuple(
            dataclasses.replace(
                frame, label=safe_text(self._hiding.for_model(frame.label, video), _MAX_LABEL)
            )
            for frame in evidence.frames
        )
        evidence = dataclasses.replace(evidence, text=text, frames=frames)
        return ToolResult(tool.name, arguments, evidence, text)

    def _take(self) -> WorkerProcess:
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker.is_ready:
                    return worker
                self._drop(worker)  # ended between two calls, for lack of memory perhaps
        worker = WorkerProcess(memory_bytes=self._memory_bytes, environment=self._environment)
        with self._lock:
            self._alive.add(worker)
            if self._closed:
                worker.kill()
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        if worker.calls >= _CALLS_PER_WORKER:
            self._drop(worker)
        else:
            self._idle.put(worker)

    def _drop(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._alive.discard(worker)
        worker.close()


def _refused(name: str, arguments: dict[str, Any], message: str) -> ToolResult:
    return ToolResult(name, arguments, None, safe_text(message))


def _failed(name: str, arguments: dict[str, Any], boundary: Boundary, detail: str) -> ToolResult:
    return ToolResult(name, arguments, None, _FAILED[boundary], boundary, detail)
