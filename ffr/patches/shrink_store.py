"""Shrink every patch of a store into another store; stopped, the same call goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ffr.data.question import Question
from ffr.errors import FfrError
from ffr.patches.files import StoreError
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.shard_format import image_names
from ffr.patches.shrink import Judge, shrink_patch
from ffr.patches.shrink_judges import JudgeError
from ffr.patches.store import PatchStore
from ffr.patches.walk import Progress, all_keys

__all__ = ["JudgeFor", "ShrinkReport", "shrink_store"]

JudgeFor = Callable[[Question, EvidencePatch, Mapping[str, bytes]], Judge]
"""Question, whole patch and its images by SHA-256 to the judge of that patch."""


@dataclass
class ShrinkReport:
    """What a pass did.

    Attributes:
        outcomes: requests by verdict (see ``ffr.patches.shrink.Shrunk``), and: ``already`` in
            the target, ``failure`` (copied), ``no_question`` (copied), ``unreadable`` (no prompt
            could be written; copied), ``damaged`` (not copied), ``unjudged`` (the judge failed;
            not copied, so that the next call tries again).
        frames: (before, after) over all patches judged.
        regions: (before, after).
        judged: patches judges were asked about.
        problems: first messages of unjudged and unreadable patches.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    frames: tuple[int, int] = (0, 0)
    regions: tuple[int, int] = (0, 0)
    judged: int = 0
    problems: list[str] = field(default_factory=list)


async def shrink_store(
    source: PatchStore,
    target: PatchStore,
    questions: Mapping[str, Question],
    judge_for: JudgeFor,
    *,
    max_judged: int = 64,
    concurrency: int = 16,
    progress: Progress = lambda _d, _t: None,
) -> ShrinkReport:
    """Fill ``target`` with the diagnoses of ``source``, patches made smaller.

    Args:
        source: is only read.
        target: another folder; requests it has are not judged again.
        questions: by id, for the ids that records carry.
        judge_for: makes the judge of a patch.
        max_judged: most patches asked about per request.
        concurrency: requests under way at once.
        progress: called with (requests done, requests in all).

    Raises:
        StoreError: one of the stores cannot be read or written, or they are the same.
    """
    if source.root.resolve() == target.root.resolve():
        raise StoreError(
            f"{source.root} is both source and target; name another folder, the originals stay"
        )
    target.check_writable()
    keys = all_keys(source)
    run = _Pass(source, target, questions, judge_for, max_judged)
    todo: Iterator[str] = iter(keys)
    done = 0

    async def work() -> None:
        nonlocal done
        for key in todo:
            await run.one(key)
            done += 1
            progress(done, len(keys))

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, min(concurrency, len(keys)))):
            group.create_task(work())
    return run.report


class _Pass:
    def __init__(
        self,
        source: PatchStore,
        target: PatchStore,
        questions: Mapping[str, Question],
        judge_for: JudgeFor,
        max_judged: int,
    ) -> None:
        self.report = ShrinkReport()
        self._source = source
        self._target = target
        self._questions = questions
        self._judge_for = judge_for
        self._max_judged = max_judged

    async def one(self, key: str) -> None:
        if await asyncio.to_thread(self._target.get, key) is not None:
            self.report.outcomes["already"] += 1
            return
        record = await asyncio.to_thread(self._source.get, key)
        if record is None:
            self.report.outcomes["damaged"] += 1
            return
        images = {sha: self._source.media.get(sha) for sha in image_names(record)}
        question = self._questions.get(record.question_id)
        if record.patch is None:
            self.report.outcomes["failure"] += 1
        elif question is None:
            self.report.outcomes["no_question"] += 1
        else:
            try:
                record = await self._shrink(record, record.patch, question, images)
            except JudgeError as error:
                self.report.outcomes["unjudged"] += 1
                self._note(key, error)
                return
            except FfrError as error:
                self.report.outcomes["unreadable"] += 1
                self._note(key, error)
        await asyncio.to_thread(self._write, key, record, images)

    async def _shrink(
        self,
        record: StoredDiagnosis,
        patch: EvidencePatch,
        question: Question,
        images: Mapping[str, bytes],
    ) -> StoredDiagnosis:
        judge = self._judge_for(question, patch, images)
        shrunk = await shrink_patch(patch, judge, max_judged=self._max_judged)
        report = self.report
        report.outcomes[shrunk.verdict] += 1
        report.judged += shrunk.judged
        frames, regions = report.frames, report.regions
        small = shrunk.patch
        report.frames = (frames[0] + len(patch.frames), frames[1] + len(small.frames))
        report.regions = (
            regions[0] + len(patch.spatial_regions),
            regions[1] + len(small.spatial_regions),
        )
        return record.model_copy(update={"patch": small})

    def _write(self, key: str, record: StoredDiagnosis, images: Mapping[str, bytes]) -> None:
        for sha in image_names(record):
            self._target.media.put(images[sha])
        self._target.put(key, record)

    def _note(self, key: str, error: FfrError) -> None:
        if len(self.report.problems) < 5:
            self.report.problems.append(f"request {key}: {error}")
