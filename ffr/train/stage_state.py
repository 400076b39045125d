"""Which stages are done, how long they took and what they made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ffr.patches.files import write_atomic

__all__ = ["StageState"]


class StageState:
    """``stages.json`` of a run folder; written after every change, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data: dict[str, Any] = {"seconds": 0.0, "stages": {}}
        if path.is_file():
            self._data = json.loads(path.read_text(encoding="utf-8"))

    @property
    def seconds(self) -> float:
        """Wall time of all attempts together."""
        return float(self._data["seconds"])

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Stage name to ``seconds``, ``steps`` and, when finished, ``model``."""
        return dict(self._data["stages"])

    def finished(self, stage: str) -> dict[str, Any] | None:
        """What a stage left behind, or ``None`` when it has not finished."""
        entry = self._data["stages"].get(stage)
        return entry if entry and entry.get("done") else None

    def record(self, stage: str, *, seconds: float, steps: int, done: bool, **made: Any) -> None:
        """Add an attempt's time and, when done, what it made."""
        before = self._data["stages"].get(stage, {})
        self._data["stages"][stage] = {
            **before, "seconds": before.get("seconds", 0.0) + seconds,
            "steps": max(steps, before.get("steps", 0)),  # an attempt may die before its first
            "done": done, **made,
        }
        self._save()

    def add_seconds(self, seconds: float) -> None:
        """Add the wall time of this attempt."""
        self._data["seconds"] += seconds
        self._save()

    def _save(self) -> None:
        write_atomic(self._path, json.dumps(self._data, indent=2).encode())
