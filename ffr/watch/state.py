"""What a run folder says at this moment, kept up to date by reading only what is new."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ffr.config.yaml_io import parse_yaml
from ffr.errors import UserError
from ffr.repair.record import GroupRecord
from ffr.run.folder import RunFolder
from ffr.run.jsonl import read_lines
from ffr.run.pace import Pace
from ffr.run.records import RolloutLog
from ffr.run.step_phase import StepPhase
from ffr.run.tail import JsonTail
from ffr.watch.alerts import Alert, alerts
from ffr.watch.groups import GroupLine, group_line

__all__ = ["RunWatch", "StageState", "Status"]

Status = Literal["starting", "running", "ok", "stopped", "failed", "gone"]
"""``gone``: no summary was written, and the launching process is not there any more."""
_HISTORY = 400
_GROUPS = 12
_PATIENCE_S = 120.0
_TAIL_BYTES = 8_000_000
_COARSE_S = 0.05
"""File times come from a clock that ticks every few milliseconds."""
"""How much of a long file is read at first: several thousand steps of metrics."""


@dataclass
class StageState:
    """One stage of the run.

    Attributes:
        total: steps (questions of an evaluation) that make it whole; 0 when not known yet.
        lines: its last metrics lines, ``event`` lines excluded.
        resumed: steps that earlier launches finished.
        begun: when it began in the last launch, or was first heard of, in Unix time.
        changed: when the last line was written, in Unix time.
    """

    name: str
    total: int = 0
    step: int = 0
    resumed: int = 0
    done: bool = False
    begun: float | None = None
    changed: float = 0.0
    pace: Pace = field(default_factory=Pace)
    lines: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_HISTORY))

    @property
    def finished(self) -> int:
        """Steps that are done, over all launches."""
        return max(self.step, self.resumed)

    def series(self, key: str) -> list[float]:
        """Values of a metric, oldest first; lines without it are left out."""
        values = (line.get(key) for line in self.lines)
        return [float(v) for v in values if isinstance(v, int | float)]


class RunWatch:
    """Follows one run folder; only ``refresh`` reads.

    Attributes:
        name: of the run.
        stages: in the order the configuration lists them.
        groups: the groups finished last, newest last.
        status: see ``Status``.
        seconds: since the present launch began, or of the whole run once it has ended.

    Args:
        folder: of the run.

    Raises:
        RunFolderError: it cannot be read.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.name = folder.path.name
        self.stages: dict[str, StageState] = {}
        self.groups: deque[GroupLine] = deque(maxlen=_GROUPS)
        self.status: Status = "starting"
        self.seconds = 0.0
        self.summary: dict[str, Any] = {}
        self._events: list[dict[str, Any]] = []
        self._metrics = JsonTail(folder.metrics_path, last_bytes=_TAIL_BYTES)
        self._event_tail = JsonTail(folder.events_path, last_bytes=_TAIL_BYTES)
        self._rollouts: tuple[int, JsonTail] | None = None
        self._config: dict[str, Any] = {}
        self._attempt = 0
        self._launched = 0.0
        self._phase: StepPhase | None = None

    def refresh(self, now: float | None = None) -> None:
        """Read what is new.

        Args:
            now: the present in Unix time.
        """
        now = time.time() if now is None else now
        self._read_launch()
        for event in self._event_tail.read():
            self._take_event(event)
        for line in self._metrics.read():
            self._take_metrics(line)
        self._read_finished(self.folder.path / "stages.json")
        self._read_groups()
        self._read_end(now)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in this launch."""
        return self.status in ("ok", "stopped", "failed", "gone")

    @property
    def stage(self) -> StageState | None:
        """The stage under way, or the last one that did something."""
        begun = [stage for stage in self.stages.values() if stage.begun is not None]
        open_ones = [stage for stage in begun if not stage.done]
        return next(reversed(open_ones or begun), None)

    @property
    def shown(self) -> list[StageState]:
        """Stages whose metrics matter now: GRPO as soon as it has any, and the present one."""
        present = self.stage
        return [s for s in self.stages.values() if s is present or (s.name == "grpo" and s.lines)]

    @property
    def accuracy(self) -> dict[str, float]:
        """What the summary of a finished run says: ``before``, ``after`` and with patches."""
        found = self.summary.get("accuracy")
        if not isinstance(found, dict):
            return {}
        names = ("before", "after", "patched_before", "patched_after")
        return {n: float(v) for n in names if isinstance(v := found.get(n), int | float)}

    @property
    def phase(self) -> str:
        """What the stage under way is doing."""
        stage = self.stage
        if self.over or stage is None:
            return "" if self.over else "preparing"
        if stage.done:
            return "next stage"
        if stage.total and stage.finished >= stage.total:
            return "finishing"
        if stage.name == "grpo" and self._phase is not None:
            idle = "answers and repairs" if stage.step else "starting engines"
            return self._phase.text(stage.finished) or idle
        if not stage.step:
            return "starting engines"
        return "answering" if stage.name == "eval" else "training"

    def left(self, now: float | None = None) -> float | None:
        """Seconds until the stage under way is done, or ``None``."""
        stage = self.stage
        if self.over or stage is None or stage.done or stage.finished >= stage.total:
            return None
        return stage.pace.left(stage.total, time.time() if now is None else now)

    def alerts(self, now: float | None = None) -> list[Alert]:
        """What the reader should know, the worst first."""
        stage = self.stages.get("grpo")
        silent = None
        if not self.over and (current := self.stage) is not None and current.changed:
            each = current.pace.seconds_per_step or 0.0
            news = max(current.changed, self._launched)
            waited = (time.time() if now is None else now) - news
            patience = max(_PATIENCE_S if current.step else 3 * _PATIENCE_S, 5 * each)
            silent = waited if waited > patience and not current.done else None
        return alerts(list(stage.lines) if stage else [], self._events, silent)

    def _read_launch(self) -> None:
        attempts, _ = read_lines(self.folder.path / "attempts.jsonl")
        if len(attempts) == self._attempt and self._config:
            return
        self._attempt = len(attempts)
        self._launched = _number(attempts[-1].get("time")) if attempts else 0.0
        try:
            parsed = parse_yaml(self.folder.config_path.read_text(encoding="utf-8"))
        except (OSError, UserError):
            parsed = None  # not written yet
        self._config = parsed if isinstance(parsed, dict) else {}
        self.name = str(self._config.get("name") or self.folder.path.name)
        for name in self._config.get("stages") or ():
            total = _integer(self._config.get(name), "steps")
            self.stages.setdefault(str(name), StageState(str(name))).total = total
        questions = _integer(self._config.get("grpo"), "questions_per_step") or 1
        self._phase = StepPhase(self.folder, questions, self._attempt)

    def _take_event(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event.get("event") != "stage_begin":
            return
        stage = self._stage(event.get("stage"))
        stage.begun = stage.changed = _number(event.get("time"))
        stage.step, stage.done, stage.pace = 0, False, Pace()
        stage.total = _integer(event, "total") or stage.total
        stage.resumed = _integer(event, "resumed")

    def _take_metrics(self, line: dict[str, Any]) -> None:
        step = line.get("step")
        if not isinstance(step, int) or not isinstance(line.get("stage"), str):
            return
        stage = self._stage(line["stage"])
        stage.changed = _number(line.get("time"))
        stage.begun = stage.changed if stage.begun is None else stage.begun
        if "event" in line:
            return
        seconds = line.get("seconds")
        known = float(seconds) if isinstance(seconds, int | float) else None
        stage.pace.note(step, stage.changed, known)
        while stage.lines and stage.lines[-1]["step"] >= step:
            stage.lines.pop()  # a resumed run repeats steps
        stage.step = step
        stage.lines.append(line)

    def _read_groups(self) -> None:
        log = RolloutLog(self.folder.rollouts)
        stage = self.stages.get("grpo")
        newest = (stage.finished if stage else 0) + 1
        present = [step for step in log.steps() if step <= newest]
        if self._rollouts is None:
            begin = present[-2:]
        else:
            begin = [step for step in present if step > self._rollouts[0]]
            self._take_groups(self._rollouts[1])
        for step in begin:
            self._rollouts = (step, JsonTail(log.path(step)))
            self._take_groups(self._rollouts[1])

    def _take_groups(self, tail: JsonTail) -> None:
        for line in tail.read():
            try:
                record = GroupRecord.model_validate(line)
            except ValidationError:
                continue
            if record.mode == "train" and self._counts(record):
                self.groups.append(group_line(record))

    def _counts(self, record: GroupRecord) -> bool:
        """Whether the present launch leaves the record in force: it may repeat steps."""
        stage = self.stages.get("grpo")
        if stage is None or stage.done or (record.step or 0) <= stage.resumed:
            return True
        return record.attempt == self._attempt

    def _read_end(self, now: float) -> None:
        attempts, _ = read_lines(self.folder.path / "attempts.jsonl")
        began = _number(attempts[-1].get("time")) if attempts else 0.0
        self.seconds = max(now - began, 0.0) if began else 0.0
        path = self.folder.summary_path
        if path.is_file() and path.stat().st_mtime >= began:
            self.summary = _object(path)
            status = self.summary.get("status")
            if status in ("ok", "stopped", "failed"):
                self.status = status
                self.seconds = _number(self.summary.get("seconds"))
                return
        self.summary = {}
        if attempts and _is_gone(attempts[-1]):
            self.status = "gone"
        else:
            self.status = "running" if attempts else "starting"

    def _read_finished(self, path: Path) -> None:
        written = path.stat().st_mtime if path.is_file() else 0.0
        for name, entry in _object(path).get("stages", {}).items():
            stage = self._stage(name)
            # With grpo.steps raised a finished stage begins again, and is noted when it ends.
            since = (stage.begun or 0.0) - _COARSE_S
            if isinstance(entry, dict) and entry.get("done") and written >= since:
                stage.done = True
                stage.begun = written if stage.begun is None else stage.begun
                stage.resumed = max(stage.resumed, _integer(entry, "steps"))
                stage.total = stage.total or stage.resumed

    def _stage(self, name: object) -> StageState:
        return self.stages.setdefault(str(name), StageState(str(name)))


def _is_gone(launch: dict[str, Any]) -> bool:
    """Whether the launching process ran on this machine and does no more."""
    pid = launch.get("pid")
    if launch.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's, so it is there
        return False
    return False


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _integer(mapping: object, key: str) -> int:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
