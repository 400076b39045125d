"""What the trainer writes into the run folder after each step."""

from __future__ import annotations

import logging
from typing import Any

from ffr.run.folder import RunFolder
from ffr.run.jsonl import read_lines
from ffr.run.metrics import step_metrics
from rewards.rler.gaming import gaming_warnings

__all__ = ["StepLog"]

_log = logging.getLogger(__name__)


class StepLog:
    """Metrics of a step: verl's own and those of the repair loop, one JSON line a step."""

    def __init__(self, run_dir: str) -> None:
        self._folder = RunFolder.open(run_dir)
        self._warned: set[str] = set()

    def step_metrics(self, step: int) -> dict[str, float]:
        """Aggregate the group records the workers wrote for this step."""
        events, _ = read_lines(self._folder.events_path)
        skipped = sum(e.get("event") == "group_skipped" and e.get("step") == step for e in events)
        metrics = step_metrics(self._folder.read_step(step))
        self._warn(step, metrics)
        return {**metrics, "data/skipped_groups": float(skipped)}

    def _warn(self, step: int, metrics: dict[str, float]) -> None:
        """Say once per launch, for each way of gaming the reward, when it is first seen."""
        for text in gaming_warnings(metrics):
            kind = text.rpartition(":")[2]  # the advice, without this step's numbers
            if kind not in self._warned:
                self._warned.add(kind)
                _log.warning("step %d: %s", step, text)
                self._folder.append_event({"event": "warning", "step": step, "text": text})

    def write(self, step: int, metrics: dict[str, Any], *, seconds: float) -> None:
        """Append one line to ``metrics.jsonl``."""
        numbers = {
            key: float(value)
            for key, value in metrics.items()
            if isinstance(value, int | float) or hasattr(value, "item")
        }
        self._folder.append_metrics({"stage": "grpo", "step": step, "seconds": seconds, **numbers})

    def checkpoint(self, step: int) -> None:
        """Note that everything up to ``step`` is safe."""
        self._folder.append_metrics({"stage": "grpo", "step": step, "event": "checkpoint"})
