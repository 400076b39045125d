"""Call a function in a process of its own, which ends with it.

The launcher lives as long as the run: torch and verl imported there would keep 0.4 GB
beside the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

__all__ = ["call_apart"]

R = TypeVar("R")


def call_apart(function: Callable[..., R], *arguments: object) -> R:
    """The function's result; errors come back as they are raised there.

    ``function`` must be found by its name in a module that imports nothing heavy.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
