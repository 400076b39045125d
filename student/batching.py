"""Collect concurrent requests into batches for a synchronous engine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

__all__ = ["MicroBatcher"]

Q = TypeVar("Q")
A = TypeVar("A")


class MicroBatcher(Generic[Q, A]):
    """Runs items submitted at about the same time together, in one worker thread.

    While a batch runs, new items gather and form the next one, so no item waits for more than
    the batch before it.  A failed batch fails each of its items, and nothing else.

    Args:
        run: gives one answer per item, in order; called in a worker thread, never twice at once.
        max_batch: most items of a batch.
        window_s: seconds to wait for more items; waiting goes on while items keep coming.
    """

    def __init__(
        self, run: Callable[[list[Q]], Sequence[A]], *, max_batch: int, window_s: float = 0.005
    ) -> None:
        if max_batch < 1 or window_s < 0:
            raise ValueError(
                f"max_batch={max_batch}, window_s={window_s} is not allowed; give max_batch >= 1 "
                "and window_s >= 0"
            )
        self._run = run
        self._max_batch = max_batch
        self._window_s = window_s
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="student")
        self.batches = 0
        """Batches run so far."""

    async def submit(self, item: Q) -> A:
        """The answer to ``item``.

        Raises:
            Exception: whatever ``run`` raised for the batch the item was in.
        """
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    def close(self) -> None:
        """Let the worker thread end; submitting afterwards is an error."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        """Serve until nothing waits; the next ``submit`` starts a new task."""
        while self._waiting:
            await self._gather()
            count = min(self._max_batch, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(count)]
            batch = [(item, future) for item, future in taken if not future.done()]
            if not batch:
                continue
            self.batches += 1
            try:
                answers = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._run, [item for item, _ in batch]
                )
                pairs = list(zip(batch, answers, strict=True))
            except Exception as error:  # noqa: BLE001  # handed to every waiter
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            except BaseException:
                for _, future in (*batch, *self._waiting):
                    future.cancel()
                self._waiting.clear()
                raise
            for (_, future), answer in pairs:
                if not future.done():
                    future.set_result(answer)

    async def _gather(self) -> None:
        """Wait while items keep coming, until a batch is full."""
        seen = 0
        while seen < len(self._waiting) < self._max_batch:
            seen = len(self._waiting)
            await asyncio.sleep(self._window_s)
