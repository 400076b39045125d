"""Progress for people on standard error: a live line on a terminal, lines now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ffr.cache_jobs.totals import Totals

__all__ = ["Display"]


class Display:
    """Shows one stage at a time; may be told from any thread.

    Args:
        title: of the first stage.
        every_s: where there is no terminal, seconds between two lines; the first comes after so
            many seconds, so a short job stays silent.
        console: where to print; default standard error.
    """

    def __init__(
        self, title: str, *, every_s: float, console: Console | None = None
    ) -> None:
        self._console = console or Console(stderr=True)
        self._every_s = every_s
        self._title = title
        self._said = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task(title, total=None, words="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def title(self, title: str) -> None:
        """Begin another stage."""
        self._title = title
        self._bar.update(self._task, description=title, total=None, completed=0, words="")

    def count(self, done: int, total: int) -> None:
        """So many of so many."""
        self._show(done, total, f"{done}/{total}")

    def totals(self, totals: Totals) -> None:
        """The state of the work."""
        self._show(totals.done, totals.expected, totals.line())

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._console.is_terminal:
            self._bar.console.print(escape(text), soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")

    def _show(self, done: int, total: int, words: str) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, total=total, completed=done, words=words)
            return
        now = time.monotonic()
        if now - self._said >= self._every_s:
            self._said = now
            sys.stderr.write(f"{self._title}: {words}\n")
