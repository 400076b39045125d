"""Ask batches of questions, a few at a time, and end early when nobody answers any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from ffr.data.question import AskedQuestion, Question
from ffr.errors import UserError
from ffr.evaluate.reply import Asker, Reply
from ffr.repair.concurrency import gather_or_raise

__all__ = ["Batch", "ask_batches", "cut"]

Batch = tuple[int, Sequence[Question]]
"""Number of a batch, and its questions."""
Asked = TypeVar("Asked", bound=AskedQuestion)

_GIVE_UP = 8
"""Questions in a row without a response after which the model is taken for dead."""


def cut(questions: Sequence[Asked], size: int) -> list[tuple[int, Sequence[Asked]]]:
    """Batches by position: which questions are asked together never depends on timing."""
    return [
        (number, questions[start : start + size])
        for number, start in enumerate(range(0, len(questions), size))
    ]


async def ask_batches(
    batches: Iterable[tuple[int, Sequence[Asked]]],
    asker: Asker,
    on_batch: Callable[[tuple[int, Sequence[Asked]], list[Reply]], Awaitable[None]],
    *,
    at_once: int,
) -> None:
    """Ask all batches.

    Args:
        batches: begun in this order.
        asker: the model under its protocol.
        on_batch: gets each batch with its replies as soon as they are there.
        at_once: batches under way.

    Raises:
        UserError: the model broke down on or did not answer many questions in a row; what came
            before was handed on.
    """
    waiting = iter(batches)
    silent = 0

    async def work() -> None:
        nonlocal silent
        for batch in waiting:
            replies = await asker.ask(batch[1])
            for reply in replies:
                if reply.failure is None:
                    silent = 0
                elif reply.failure.kind in ("endpoint", "model"):
                    silent += 1
                    if silent >= _GIVE_UP:
                        raise UserError(
                            f"the model gave no response to {silent} questions in a row: "
                            f"{reply.failure.detail}; mend that and start the same command "
                            "again, what is done is kept"
                        )
            await on_batch(batch, replies)

    await gather_or_raise(work() for _ in range(max(1, at_once)))
