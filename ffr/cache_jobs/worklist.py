"""What is left to do: the failures minus what the store already holds, grouped by video.

Derived anew at every launch from the inputs and the store, so a job resumes at any point and
nothing else has to be kept (spec video_io §6).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ffr.cache_jobs.items import Failure, ItemResult, VideoGroup, WorkItem
from ffr.cache_jobs.video_ids import VideoIds
from ffr.patches.keys import KeyMaker
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from teacher_tools.media import MediaError, resolve_media

__all__ = ["Worklist", "make_worklist"]

_GROUP = 16
"""Most items of a group: a video with more is worked on in several turns."""
_THREADS = 8  # waiting for disks, mostly network disks

Progress = Callable[[int, int], None]
"""Called with (videos looked at, videos in all)."""


@dataclass
class Worklist:
    """Work in a fixed order: by video, and within a video as found.

    Attributes:
        groups: what must be asked.
        stored: requests the store answers: ``patch``, or the reason of the stored failure.
        unreadable: failures whose video cannot be read; there is nothing to ask about.
        videos: distinct videos of all failures.
    """

    groups: list[VideoGroup] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    unreadable: list[ItemResult] = field(default_factory=list)
    videos: int = 0

    @property
    def pending(self) -> int:
        """Diagnoses to make."""
        return sum(len(group.items) for group in self.groups)

    @property
    def total(self) -> int:
        """Requests in all: stored, pending and unreadable."""
        return self.pending + sum(self.stored.values()) + len(self.unreadable)


def make_worklist(
    failures: Iterable[Failure],
    keys: KeyMaker,
    store: PatchStore,
    media_root: Path,
    ids: VideoIds,
    *,
    retry_failures: bool = False,
    shard: tuple[int, int] = (0, 1),
    progress: Progress = lambda _done, _total: None,
) -> Worklist:
    """Look every failure up.

    Args:
        failures: distinct ones, from ``Collection``.
        keys: of the teacher that will be asked.
        store: where patches are, or will be.
        media_root: folder that every video must lie under.
        ids: content ids of videos.
        retry_failures: failures the teacher made itself count as pending.
        shard: (i, n) takes the i-th of n parts of the videos, split by content.
        progress: told how it goes.

    Raises:
        StoreError: the store cannot be read.
    """
    by_video: defaultdict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        by_video[failure.question.video].append(failure)

    def look(video: str) -> Worklist:
        return _one_video(
            video, by_video[video], keys, store, media_root, ids, retry_failures, shard
        )

    work = Worklist()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="ffr-worklist") as pool:
        for done, found in enumerate(pool.map(look, sorted(by_video)), start=1):
            work.groups += found.groups
            work.stored += found.stored
            work.unreadable += found.unreadable
            work.videos += found.videos
            progress(done, len(by_video))
    return work


def _one_video(
    video: str,
    failures: Sequence[Failure],
    keys: KeyMaker,
    store: PatchStore,
    media_root: Path,
    ids: VideoIds,
    retry_failures: bool,
    shard: tuple[int, int],
) -> Worklist:
    try:
        content = ids.get(resolve_media(video, media_root))
    except MediaError as error:
        if shard[0]:  # told once, by the first part
            return Worklist()
        lost = [
            ItemResult(
                key="", question_id=f.question.id, video=video, outcome="media_error",
                detail=str(error),
            )
            for f in failures
        ]  # fmt: skip
        return Worklist(unreadable=lost, videos=1)
    if int(content[:15], 16) % shard[1] != shard[0]:
        return Worklist()
    work = Worklist(videos=1)
    pending = []
    for failure in failures:
        key = keys.key(content, failure.question, failure.wrong_answer)
        record = store.get(key)
        if record is None or _again(record, retry_failures):
            pending.append(WorkItem(key=key, failure=failure))
        else:
            work.stored["patch" if record.failure is None else record.failure.reason] += 1
    work.groups = [
        VideoGroup(video=video, items=tuple(pending[start : start + _GROUP]))
        for start in range(0, len(pending), _GROUP)
    ]
    return work


def _again(record: StoredDiagnosis, retry_failures: bool) -> bool:
    if record.rejected:
        return False  # a person decided
    return record.patch is None and (retry_failures or record.transient)
