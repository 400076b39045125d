"""Show how a stage gets on, from the lines it appends to ``metrics.jsonl``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ffr.run.pace import Pace, duration
from ffr.run.tail import JsonTail

__all__ = ["StageProgress"]

_PLAIN_EVERY_S = 10.0


class StageProgress:
    """A bar on a terminal; elsewhere one plain line every ten seconds.

    Both show step, phase, rate and the time left, counted from where this launch began.

    Args:
        stage: name of the stage, as in the metrics lines.
        total: number of steps (or questions) that make it whole.
        metrics: the run's ``metrics.jsonl``.
        phase: says what the step after the given one is doing, or "".
        resumed: steps that earlier launches finished.
    """

    def __init__(
        self, stage: str, total: int, metrics: Path,
        phase: Callable[[int], str] = lambda _finished: "", resumed: int = 0,
    ) -> None:
        self.stage, self.total, self.step = stage, total, 0
        self._tail = JsonTail(metrics, from_end=True)
        self._phase, self._resumed = phase, resumed
        self._pace = Pace()
        self._began = self._printed = self.last_change = time.monotonic()
        self._note = ""
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"), TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False), console=self._console,
            )
            self._task = self._bar.add_task(stage, total=total, note="starting")

    def __enter__(self) -> StageProgress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        elif self.step:
            self._plain()

    def poll(self) -> None:
        """Read new metrics lines and redraw."""
        for line in self._tail.read():
            if line.get("stage") == self.stage and isinstance(line.get("step"), int):
                if line["step"] != self.step:
                    seconds = line.get("seconds")
                    known = float(seconds) if isinstance(seconds, int | float) else None
                    self._pace.note(line["step"], time.monotonic(), known)
                self.step = line["step"]
                if "event" not in line:
                    self._note = _note(line)
                self.last_change = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self._done, note=self._text())
        elif time.monotonic() - self._printed >= _PLAIN_EVERY_S:
            self._plain()

    @property
    def _done(self) -> int:
        return max(self.step, self._resumed)

    def _plain(self) -> None:
        self._printed = time.monotonic()
        elapsed = duration(time.monotonic() - self._began)
        print(f"{self.stage}: {self._done}/{self.total} · {elapsed} · {self._text()}",
              file=sys.stderr, flush=True)

    def _text(self) -> str:
        unit = "question" if self.stage == "eval" else "step"
        each, left = self._pace.seconds_per_step, self._pace.left(self.total, time.monotonic())
        phase = self._phase(self._done) if self._done < self.total else ""
        parts = [phase or ("" if self.step else "starting"),
                 "" if each is None else f"{each:.2g} s/{unit}",
                 "" if left is None or self.step >= self.total else f"{duration(left)} left",
                 self._note]  # fmt: skip
        return " · ".join(part for part in parts if part)


def _note(line: dict[str, Any]) -> str:
    parts = []
    for key, label in (("loss", "loss"), ("accuracy/first_pass", "first answers right"),
                       ("repair/success_rate", "repaired"), ("accuracy", "accuracy")):
        value = line.get(key)
        if isinstance(value, int | float):
            parts.append(f"{label} {value:.2f}")
    return " · ".join(parts)
