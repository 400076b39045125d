"""One writer: asks the teacher about the items it is given, and never starts one after ``stop``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ffr.cache_jobs.items import PATCHED, ItemResult, VideoGroup, WorkItem
from ffr.cache_jobs.journal import Journal
from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.errors import UserError
from ffr.patches.patch import NoPatch
from ffr.repair.protocols import Diagnosis
from ffr.teacher.build import build_teacher
from ffr.teacher.stored import ClosableTeacher

__all__ = ["GroupWorker", "WorkerSetup"]

_log = logging.getLogger(__name__)
_UNREACHABLE = frozenset({"circuit_open", "provider_error", "timeout", "deadline"})
Told = Callable[[ItemResult], None]


class WorkerSetup(BaseModel):
    """Everything a writer needs to know, as JSON.

    Attributes:
        share: this writer's part (0 to 1] of the teacher's concurrency and budgets.
        wait_for_teacher_s: how long to wait for a teacher that answers nobody, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    teacher: TeacherConfig
    store: StoreConfig
    store_dir: str
    media_root: str
    journal_dir: str
    base_url: str | None = None
    share: float = 1.0
    wait_for_teacher_s: float = 0.0

    @property
    def concurrency(self) -> int:
        """Diagnoses this writer makes at once."""
        return max(1, round(self.teacher.concurrency * self.share))


class GroupWorker:
    """Works on any number of groups at once; use it from one event loop.

    Args:
        setup: which teacher, which store.
        teacher: instead of the one ``setup`` describes.

    Raises:
        UserError: no key, a bad address, an unknown tool, or a store that cannot be written.
    """

    def __init__(self, setup: WorkerSetup, teacher: ClosableTeacher | None = None) -> None:
        self._setup = setup
        self._journal = Journal(Path(setup.journal_dir))
        self._teacher = teacher or build_teacher(
            setup.teacher,
            setup.store,
            store_dir=setup.store_dir,
            media_root=setup.media_root,
            base_url=setup.base_url,
            share=setup.share,
        )
        self._slots = asyncio.Semaphore(setup.concurrency)
        self._stopping = asyncio.Event()
        self._down_since: float | None = None

    async def run(self, group: VideoGroup, told: Told) -> None:
        """Ask about every item of ``group``; ``told`` gets each result as it comes.

        Items that were not begun when ``stop`` was called are left out.

        Raises:
            UserError: the job must end: the store cannot be written, or the teacher fails more
                often than ``teacher.abort_failure_rate`` allows. Begun items are finished first.
        """
        results = await asyncio.gather(
            *(self._one(item, told) for item in group.items), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def stop(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._stopping.set()

    async def aclose(self) -> None:
        """Let what is under way end and be stored, then free connections and tool processes."""
        await self._teacher.aclose()

    async def _one(self, item: WorkItem, told: Told) -> None:
        async with self._slots:
            if self._stopping.is_set():
                return
            self._journal.start(item)
            try:
                diagnosis = await self._diagnose(item)
            except UserError:
                self.stop()
                raise
            except Exception as error:  # noqa: BLE001 - one item must not take the job down
                _log.warning("diagnosis of %s failed", item.failure.question.id, exc_info=True)
                result = _result(item, "error", f"{type(error).__name__}: {error}")
            else:
                result = _of(item, diagnosis)
            self._journal.end(result)
            told(result)

    async def _diagnose(self, item: WorkItem) -> Diagnosis:
        """The teacher's verdict; an open circuit is waited out instead of burning the list.

        When the teacher has not answered anybody for too long, the writer stops by itself.
        """
        while True:
            diagnosis = await self._teacher.diagnose(item.failure.rollout)
            reason = diagnosis.outcome.reason if isinstance(diagnosis.outcome, NoPatch) else None
            if reason not in _UNREACHABLE:
                self._down_since = None
            if reason != "circuit_open":
                return diagnosis
            now = time.monotonic()
            self._down_since = now if self._down_since is None else self._down_since
            pause = self._setup.teacher.breaker_reset_s
            if now + pause - self._down_since > self._setup.wait_for_teacher_s:
                self.stop()
            if self._stopping.is_set():
                return diagnosis
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()


def _of(item: WorkItem, diagnosis: Diagnosis) -> ItemResult:
    outcome = diagnosis.outcome
    counters: dict[str, float] = {}
    for name, value in diagnosis.counters:
        counters[name] = counters.get(name, 0.0) + value
    for name, calls, failures in diagnosis.tool_calls:
        if diagnosis.source == "live":
            counters[f"tool_{name}"] = counters.get(f"tool_{name}", 0.0) + calls
            counters["tool_calls"] = counters.get("tool_calls", 0.0) + calls
            counters["tool_failures"] = counters.get("tool_failures", 0.0) + failures
    reason, detail = PATCHED, ""
    if isinstance(outcome, NoPatch):
        reason, detail = outcome.reason, outcome.detail
    return _result(item, reason, detail).model_copy(
        update={"source": diagnosis.source, "seconds": diagnosis.seconds, "counters": counters}
    )


def _result(item: WorkItem, outcome: str, detail: str) -> ItemResult:
    question = item.failure.question
    return ItemResult(
        key=item.key, question_id=question.id, video=question.video, outcome=outcome, detail=detail
    )
