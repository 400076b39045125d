"""Hands groups to lanes, each a writer somewhere, and survives writers that die.

A lane is a writer in this process (``local``), in a process of its own (``local`` with more than
one) or on a Ray cluster (``ray``); the dispatcher treats all alike.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ffr.cache_jobs.items import ItemResult, VideoGroup, WorkItem
from ffr.cache_jobs.worker import GroupWorker, Told, WorkerSetup
from ffr.errors import FfrError

__all__ = ["InProcessLane", "Lane", "LaneDiedError", "dispatch"]

_DEATHS = 2
"""Writers that may die over an item before it is given up."""


class LaneDiedError(FfrError):
    """The writer ended without being asked to; what it had stored is stored."""


class Lane(Protocol):
    """One writer, wherever it runs."""

    concurrency: int

    async def run(self, group: VideoGroup, told: Told) -> None:
        """Ask about the items of a group, starting the writer if it does not run.

        Raises:
            LaneDiedError: the writer died; the next ``run`` starts another.
            UserError: the job must end.
        """
        ...

    def stop(self) -> None:
        """Begin no further item."""
        ...

    async def aclose(self) -> None:
        """End the writer; what is under way is finished."""
        ...


class InProcessLane:
    """The writer in this very process and event loop."""

    def __init__(self, setup: WorkerSetup) -> None:
        self.concurrency = setup.concurrency
        self._worker = GroupWorker(setup)

    async def run(self, group: VideoGroup, told: Told) -> None:
        """Work on the group."""
        await self._worker.run(group, told)

    def stop(self) -> None:
        """Begin no further item."""
        self._worker.stop()

    async def aclose(self) -> None:
        """Finish and free everything."""
        await self._worker.aclose()


async def dispatch(
    groups: Sequence[VideoGroup],
    lanes: Sequence[Lane],
    told: Told,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Work on all groups; each lane takes the next one whenever it could use more items.

    Args:
        groups: in the order they are begun.
        lanes: writers; all stay open.
        told: gets every result once.
        stopping: no further group is begun once this is true.

    Raises:
        UserError: the job must end. All lanes were told to stop and have finished their items.
    """
    queue = deque(groups)
    deaths: Counter[str] = Counter()

    async def one(lane: Lane, group: VideoGroup) -> None:
        left = {item.key: item for item in group.items}

        def hear(result: ItemResult) -> None:
            left.pop(result.key, None)
            told(result)

        try:
            await lane.run(group, hear)
        except LaneDiedError as error:
            for item in reversed(left.values()):
                deaths[item.key] += 1
                if deaths[item.key] <= _DEATHS:
                    # One by one, so that an item that kills its writer takes no other with it.
                    queue.appendleft(group.model_copy(update={"items": (item,)}))
                else:
                    told(_lost(item, str(error)))

    async def drive(lane: Lane) -> None:
        running: dict[asyncio.Task[None], int] = {}
        # One group beyond what the lane can do at once, so that it never waits for us.
        while True:
            while queue and not stopping() and sum(running.values()) < 2 * lane.concurrency:
                group = queue.popleft()
                running[asyncio.create_task(one(lane, group))] = len(group.items)
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del running[task]
            errors = [error for task in done if (error := task.exception()) is not None]
            if errors:
                queue.clear()
                for each in lanes:
                    each.stop()
                await asyncio.gather(*running, return_exceptions=True)
                raise errors[0]

    # A lane that ran dry may have to come back for the group of a writer that died.
    while queue and not stopping():
        settled = await asyncio.gather(*map(drive, lanes), return_exceptions=True)
        for result in settled:
            if result is not None:
                raise result


def _lost(item: WorkItem, detail: str) -> ItemResult:
    question = item.failure.question
    return ItemResult(
        key=item.key, question_id=question.id, video=question.video, outcome="worker_died",
        detail=detail,
    )  # fmt: skip
