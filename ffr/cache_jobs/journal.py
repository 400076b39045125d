"""The job's journal: one append-only file per writer, for reports only; no decision rests on it.

A diagnosis has a ``start`` line before anything is asked and an ``end`` line after its record is
stored, so what a kill cut off can be told from what was paid for and kept.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffr.cache_jobs.items import ItemResult, WorkItem
from ffr.run.jsonl import append_line, read_lines

__all__ = ["Journal", "read_journals"]

_COUNTED = ("calls", "tokens_in", "tokens_out", "tool_calls")


class Journal:
    """One writer's file in ``folder``; each line is on disk (or with the kernel) when it returns.

    Args:
        folder: shared by all writers of a job; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        host = socket.gethostname().split(".")[0][:32] or "host"
        self._path = folder / f"{host}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"

    def start(self, item: WorkItem) -> None:
        """A diagnosis begins."""
        self._write({"event": "start", "key": item.key, "question": item.failure.question.id})

    def end(self, result: ItemResult) -> None:
        """A diagnosis ended, and its outcome is stored if it can be."""
        counted = {name: result.counters[name] for name in _COUNTED if name in result.counters}
        self._write(
            {
                "event": "end",
                "key": result.key,
                "question": result.question_id,
                "outcome": result.outcome,
                "source": result.source,
                "seconds": round(result.seconds, 3),
                **counted,
            }
        )

    def _write(self, line: dict[str, object]) -> None:
        append_line(self._path, {"time": round(time.time(), 3), **line})


def read_journals(folder: Path) -> Iterator[dict[str, Any]]:
    """Every line of every writer, in no particular order across writers; torn lines are skipped."""
    if folder.is_dir():
        for path in sorted(folder.glob("*.jsonl")):
            yield from read_lines(path)[0]
