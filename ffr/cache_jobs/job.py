"""One launch of ``ffr-cache``: read the inputs, see what is missing, ask, sum up.

Everything is derived from the inputs and the store; the job folder holds what is dear to make
again (a student's answers, hashes of videos) and what people read (journal, summary).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from ffr.cache_jobs.answers import AnswerBook, answer_all, open_student
from ffr.cache_jobs.collect import Collection
from ffr.cache_jobs.display import Display
from ffr.cache_jobs.estimate import Estimate, estimate, history, mean_frame_pixels
from ffr.cache_jobs.inputs import JobInputs, collect_failures, load_inputs
from ffr.cache_jobs.items import ItemResult, VideoGroup, WorkItem
from ffr.cache_jobs.journal import read_journals
from ffr.cache_jobs.lanes import InProcessLane, Lane, dispatch
from ffr.cache_jobs.process_lane import ProcessLane
from ffr.cache_jobs.summary import JobSummary, Spend, launch_spend, summarise
from ffr.cache_jobs.totals import Totals, cost_of
from ffr.cache_jobs.video_ids import VideoIds
from ffr.cache_jobs.worker import WorkerSetup
from ffr.cache_jobs.worklist import Worklist, make_worklist
from ffr.config.cache import CacheConfig
from ffr.config.load import dump_config
from ffr.demo.server import DemoTeacherServer
from ffr.errors import UserError
from ffr.patches.files import StoreError, write_atomic
from ffr.patches.store import PatchStore
from ffr.teacher.build import key_maker
from ffr.teacher.toolbox import configured_toolset

__all__ = ["CacheJob"]

_TRIED_AGAIN = frozenset({"timeout", "deadline", "provider_error"})
_ENDS_THE_JOB = frozenset({"budget_spent", "circuit_open"})  # the second after a long wait
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class CacheJob:
    """A job as configured.

    Args:
        config: the resolved configuration.
        shard: (i, n): work on the i-th of n parts of the videos only; every part is a launch of
            its own, on any machine that sees the same store.
    """

    def __init__(self, config: CacheConfig, *, shard: tuple[int, int] = (0, 1)) -> None:
        self.config = config
        self.folder = Path(config.output or Path("runs") / config.name).absolute()
        store = Path(config.store.path) if config.store.path else self.folder / "patches"
        self.store = PatchStore(store.absolute())
        self._shard = shard
        self._stopped = False
        self._ended: str | None = None
        self._lanes: list[Lane] = []

    def plan(self) -> tuple[Worklist, Estimate]:
        """What would be asked and what it would take; asks nobody and writes nothing.

        Raises:
            UserError: the inputs cannot be read.
        """
        config = self.config
        with Display("reading", every_s=config.report_every_s) as display:
            inputs = load_inputs(config, display.count)
            book = AnswerBook(self.folder, config) if config.failures.student else None
            found = collect_failures(config, inputs, book)
            work = self._worklist(found, inputs, display, write=False)
        more = 0
        if book is not None and config.failures.student is not None:
            missing = sum(book.get(q) is None for q in inputs.questions)
            more = missing * config.failures.student.samples
        videos = [group.video for group in work.groups] or [q.video for q in inputs.questions]
        return work, estimate(
            work.groups,
            config.teacher,
            config.estimate,
            frame_pixels=mean_frame_pixels(
                list(dict.fromkeys(videos)), inputs.media_root, config.teacher
            ),
            measured=history(read_journals(self.folder / "journal")),
            more=more,
        )

    def run(self) -> JobSummary:
        """Do what is left of the job; SIGTERM or Ctrl-C finishes what is under way and returns.

        Raises:
            UserError: something the user can mend; whatever was stored stays.
        """
        with self._locked(), self._endpoint() as base_url:
            return asyncio.run(self._run(base_url))

    async def _run(self, base_url: str | None) -> JobSummary:
        began = time.monotonic()
        config = self.config
        self.store.check_writable()
        display = Display("reading", every_s=config.report_every_s)
        with self._stoppable(display), display:
            inputs = await asyncio.to_thread(load_inputs, config, display.count)
            book = await self._answers(inputs, display)
            found = await asyncio.to_thread(collect_failures, config, inputs, book)
            work = await asyncio.to_thread(self._worklist, found, inputs, display, write=True)
            totals = Totals(config.teacher)
            totals.begin(work.pending)
            if work.pending and not self._stopped:
                await self._ask(work, inputs, base_url, totals, display)
        summary = summarise(
            found, work, totals,
            questions=len(inputs.questions), skipped_questions=len(inputs.skipped),
            stopped=self._stopped, job=self._spent(totals), store=str(self.store.root),
            seconds=time.monotonic() - began,
        )  # fmt: skip
        text = json.dumps(summary.model_dump(mode="json"), indent=2, ensure_ascii=False)
        write_atomic(self.folder / "summary.json", text.encode() + b"\n")
        return summary

    async def _answers(self, inputs: JobInputs, display: Display) -> AnswerBook | None:
        """Let the student answer what it has not answered yet."""
        wanted = self.config.failures.student
        if wanted is None:
            return None
        book = AnswerBook(self.folder, self.config)
        if all(book.get(question) is not None for question in inputs.questions):
            return book
        display.title("student")
        async with open_student(self.config, inputs.media_root) as (student, renderer, at_once):
            problems = await answer_all(
                inputs.questions, book, student, renderer, samples=wanted.samples,
                at_once=at_once, stopping=lambda: self._stopped, progress=display.count,
            )  # fmt: skip
        for question, reason in problems[:3]:
            display.say(f"the student could not answer {question}: {reason}")
        return book

    def _worklist(
        self, found: Collection, inputs: JobInputs, display: Display, *, write: bool
    ) -> Worklist:
        display.title("looking up")
        keys = key_maker(self.config.teacher, configured_toolset(self.config.teacher))
        return make_worklist(
            found.failures, keys, self.store, inputs.media_root,
            VideoIds(self.folder / "video_ids.jsonl", write=write),
            retry_failures=self.config.retry_failures, shard=self._shard, progress=display.count,
        )  # fmt: skip

    async def _ask(
        self, work: Worklist, inputs: JobInputs, base_url: str | None, totals: Totals,
        display: Display,
    ) -> None:  # fmt: skip
        display.title("asking")
        unlucky: dict[str, ItemResult] = {}

        def told(result: ItemResult) -> None:
            totals.add(result)
            unlucky.pop(result.key, None)
            if result.outcome in _TRIED_AGAIN:
                unlucky[result.key] = result
            if result.outcome in _ENDS_THE_JOB and self._ended is None:
                self._ended = result.outcome
                display.say(f"no more is asked: {result.detail or result.outcome}")
                self._stop_lanes()
            display.totals(totals)

        with self._cluster():
            self._listen(display)  # Ray puts handlers of its own in the place of ours
            self._lanes = self._make_lanes(inputs, base_url)
            try:
                groups: Sequence[VideoGroup] = work.groups
                for _ in range(self.config.passes):
                    unlucky.clear()
                    await dispatch(groups, self._lanes, told, stopping=self._stopping)
                    groups = _again(groups, unlucky)
                    if not groups or self._stopping():
                        break
            finally:
                lanes, self._lanes = self._lanes, []
                await asyncio.gather(*(lane.aclose() for lane in lanes))

    def _make_lanes(self, inputs: JobInputs, base_url: str | None) -> list[Lane]:
        config = self.config
        setup = WorkerSetup(
            teacher=config.teacher, store=config.store, store_dir=str(self.store.root),
            media_root=str(inputs.media_root), journal_dir=str(self.folder / "journal"),
            base_url=base_url, share=1 / config.processes,
            wait_for_teacher_s=config.wait_for_teacher_s,
        )  # fmt: skip
        if config.workers == "ray":
            from ffr.cache_jobs.ray_lane import RayLane

            return [RayLane(setup, config.ray) for _ in range(config.processes)]
        if config.processes == 1:
            return [InProcessLane(setup)]
        return [ProcessLane(setup) for _ in range(config.processes)]

    def _spent(self, totals: Totals) -> Spend:
        """All launches together; the journals of this one are already in the folder."""
        sums: defaultdict[str, float] = defaultdict(float)
        for line in read_journals(self.folder / "journal"):
            if line.get("event") == "end" and line.get("source") == "live":
                sums["diagnoses"] += 1
                for name in ("calls", "tokens_in", "tokens_out", "tool_calls"):
                    sums[name] += float(line.get(name) or 0.0)
        this = launch_spend(totals)
        return Spend(
            # Ray workers may keep their journals out of our sight.
            diagnoses=max(int(sums["diagnoses"]), this.diagnoses),
            calls=max(int(sums["calls"]), this.calls),
            tokens_in=max(int(sums["tokens_in"]), this.tokens_in),
            tokens_out=max(int(sums["tokens_out"]), this.tokens_out),
            tool_calls=max(int(sums["tool_calls"]), this.tool_calls),
            cost=cost_of(sums, self.config.teacher),
        )

    def _stopping(self) -> bool:
        return self._stopped or self._ended is not None

    def _stop_lanes(self) -> None:
        for lane in self._lanes:
            lane.stop()

    @contextlib.contextmanager
    def _stoppable(self, display: Display) -> Iterator[None]:
        """The first signal finishes what is under way, the second one ends at once."""
        self._listen(display)
        try:
            yield
        finally:
            for number in _SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(number)

    def _listen(self, display: Display) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._stopped = True
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            display.say("finishing what is under way; a second signal ends at once")
            self._stop_lanes()

        if not self._stopped:
            for number in _SIGNALS:
                loop.add_signal_handler(number, stop)

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[None]:
        if self.config.workers != "ray":
            yield
            return
        from ffr.cache_jobs.ray_lane import ray_cluster

        with ray_cluster(self.config.ray, self.config.processes):
            yield

    @contextlib.contextmanager
    def _endpoint(self) -> Iterator[str | None]:
        if self.config.teacher.kind != "demo" or self.config.teacher.base_url is not None:
            yield self.config.teacher.base_url
            return
        with DemoTeacherServer() as server:
            yield server.base_url

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Own the job folder (this part of it) for one launch, and say what is run."""
        part = "" if self._shard == (0, 1) else f"-{self._shard[0]}-of-{self._shard[1]}"
        path = self.folder / f".lock{part}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError.from_os_error("use", path, error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    f"{self.folder} is in use by another launch of this job; wait for it, end it, "
                    "choose another --output, or split the work with --shard I/N"
                ) from error
            except OSError:
                pass  # a file system without locks: two launches would pay twice, not break
            write_atomic(self.folder / "config.yaml", dump_config(self.config).encode())
            yield
        finally:
            os.close(descriptor)


def _again(groups: Sequence[VideoGroup], unlucky: dict[str, ItemResult]) -> list[VideoGroup]:
    """The groups with those items only that are worth another try."""
    left: list[VideoGroup] = []
    for group in groups:
        items: tuple[WorkItem, ...] = tuple(i for i in group.items if i.key in unlucky)
        if items:
            left.append(group.model_copy(update={"items": items}))
    return left
