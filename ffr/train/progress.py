"""Show how a stage gets on, from the lines it appends to ``metrics.jsonl``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["StageProgress"]

_PLAIN_EVERY_S = 10.0


class StageProgress:
    """A bar on a terminal; elsewhere one plain line every ten seconds.

    Args:
        stage: name of the stage, as in the metrics lines.
        total: number of steps (or questions) that make it whole.
        metrics: the run's ``metrics.jsonl``.
    """

    def __init__(self, stage: str, total: int, metrics: Path) -> None:
        self.stage, self.total, self.step = stage, total, 0
        self._metrics = metrics
        self._offset = metrics.stat().st_size if metrics.exists() else 0
        self._began = self._printed = self.last_change = time.monotonic()
        self._note = "starting"
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"), TimeElapsedColumn(),
                TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=self._console,
            )
            self._task = self._bar.add_task(stage, total=total, note=self._note)

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
        for line in self._new_lines():
            if line.get("stage") == self.stage and isinstance(line.get("step"), int):
                self.step = line["step"]
                self._note = _note(line)
                self.last_change = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self.step, note=self._note)
        elif time.monotonic() - self._printed >= _PLAIN_EVERY_S:
            self._plain()

    def _plain(self) -> None:
        self._printed = time.monotonic()
        elapsed = time.monotonic() - self._began
        print(f"{self.stage}: {self.step}/{self.total} · {elapsed:.0f} s · {self._note}",
              file=sys.stderr, flush=True)

    def _new_lines(self) -> list[dict[str, Any]]:
        if not self._metrics.exists():
            return []
        with self._metrics.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]  # a line still being written waits
        self._offset += len(whole)
        # A line torn by a killed writer is nobody's: the next writer has closed it.
        return [value for line in whole.split(b"\n") if isinstance(value := _json(line), dict)]


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _note(line: dict[str, Any]) -> str:
    parts = []
    for key, label in (("loss", "loss"), ("accuracy/first_pass", "first answers right"),
                       ("repair/success_rate", "repaired"), ("accuracy", "accuracy")):
        value = line.get(key)
        if isinstance(value, int | float):
            parts.append(f"{label} {value:.2f}")
    if isinstance(line.get("seconds"), int | float):
        parts.append(f"{line['seconds']:.1f} s/step")
    return " · ".join(parts)
