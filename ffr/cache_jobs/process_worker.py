"""``python -m ffr.cache_jobs.process_worker``: the child's side of ``process_lane``.

Standard input: the set-up, then orders; standard output: answers; all JSON lines. The end of
standard input without a ``stop`` means the parent died: then everything ends at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from ffr.cache_jobs.items import ItemResult
from ffr.cache_jobs.process_lane import Answer, Order
from ffr.cache_jobs.worker import GroupWorker, WorkerSetup
from ffr.errors import UserError

__all__ = ["main"]

_LINE_BYTES = 64 * 2**20


async def main(answers: int) -> None:
    """Serve orders until standard input ends.

    Args:
        answers: file descriptor that answers are written to.
    """
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    setup = WorkerSetup.model_validate_json(await orders.readline())
    worker: GroupWorker | None = None
    tasks: set[asyncio.Task[None]] = set()

    def say(answer: Answer) -> None:
        line = memoryview(answer.model_dump_json().encode() + b"\n")
        try:
            while line:
                line = line[os.write(answers, line) :]
        except BrokenPipeError:
            os._exit(1)

    async def work(order: Order) -> None:
        nonlocal worker
        assert order.group is not None

        def told(result: ItemResult) -> None:
            say(Answer(number=order.number, result=result))

        try:
            if worker is None:
                worker = GroupWorker(setup)
                if stopped:
                    worker.stop()
            await worker.run(order.group, told)
        except UserError as error:
            say(Answer(number=order.number, fatal=str(error)))
        else:
            say(Answer(number=order.number, done=True))

    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        if worker is not None:
            worker.stop()

    # Ctrl-C and a scheduler's SIGTERM reach the whole group: they mean what ``stop`` means.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    while line := await orders.readline():
        order = Order.model_validate_json(line)
        if order.stop:
            stop()
        else:
            task = asyncio.create_task(work(order))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    if tasks:  # the parent is gone: what is under way would be paid for again beside us
        os._exit(1)
    if worker is not None:
        await worker.aclose()


if __name__ == "__main__":
    # Libraries that print must not be able to break the protocol.
    channel = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(main(channel))
