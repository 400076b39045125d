"""Run coroutines together; the first failure cancels the rest and is raised as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["gather_or_raise"]

T = TypeVar("T")


async def gather_or_raise(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order. Unlike ``asyncio.gather`` no sibling keeps running after a failure.

    Raises:
        Exception: the first exception of any coroutine, unwrapped.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as group:
        raise _first(group) from None
    return [task.result() for task in started]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
