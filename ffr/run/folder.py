"""The run folder: one place for everything a run needs to go on and everything it found.

Layout (design §2)::

    config.yaml     resolved configuration        manifest.json  what the numbers depend on
    metrics.jsonl   one line per step or event    rollouts/      step_NNNNNN.jsonl, group records
    events.jsonl    skips and other incidents     attempts.jsonl one line per launch
    patches/  media/  checkpoints/                summary.json   report.html

A folder is one of ours when it holds the marker ``.ffr-run``, written before anything else; a
non-empty folder without it is never touched.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ffr.patches.files import write_atomic
from ffr.repair.record import GroupRecord
from ffr.run.jsonl import RunFolderError, append_line, read_lines, strict
from ffr.run.records import RolloutLog, current_records
from ffr.run.same_config import changed_keys, may_change

__all__ = ["RunFolder"]

_MARKER = ".ffr-run"
_FOLDERS = ("rollouts", "patches", "media", "checkpoints", "logs")


class RunFolder:
    """Paths of a run folder and the files every process may append to.

    Use ``create`` in the process that owns the run and ``open`` in its children.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str | Path, config_text: str, *, resume: str = "auto") -> RunFolder:
        """Make a run folder, or continue the one that is there.

        Args:
            path: the folder; missing, empty, or a run folder.
            config_text: the resolved configuration as YAML.
            resume: ``never`` demands a folder without a run; anything else continues a run of
                the same configuration.

        Raises:
            RunFolderError: a file or a foreign folder is in the way, the disk is full, there is
                no permission, ``resume`` forbids it, or the configuration differs in a key that
                decides what is learnt.
        """
        folder = cls(Path(path).absolute())
        folder._adopt()
        if not folder.config_path.exists():
            write_atomic(folder.config_path, config_text.encode())
            return folder
        if resume == "never":
            raise RunFolderError(
                f"{folder.path} already holds a run and --resume is never; choose another "
                "--output, or continue it with --resume auto"
            )
        before = folder.config_path.read_text(encoding="utf-8")
        changed = changed_keys(before, config_text)
        for key, (old, new) in changed.items():
            if not may_change(key):
                raise RunFolderError(
                    f"{folder.path} holds a run with {key}={old!r}, this one has {key}={new!r}; "
                    "set it back to continue that run, or choose another --output"
                )
        if changed:
            folder.append_event(
                {"event": "config_changed", "keys": {k: list(v) for k, v in changed.items()}}
            )
            write_atomic(folder.config_path, config_text.encode())
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run folder.

        Raises:
            RunFolderError: there is none.
        """
        folder = cls(Path(path).absolute())
        if not (folder.path / _MARKER).is_file():
            raise RunFolderError(f"{folder.path} is not a run folder; give one ffr-train made")
        return folder

    @property
    def config_path(self) -> Path:
        """Resolved configuration, YAML."""
        return self.path / "config.yaml"

    @property
    def manifest_path(self) -> Path:
        """What the run's numbers depend on."""
        return self.path / "manifest.json"

    @property
    def metrics_path(self) -> Path:
        """One JSON line per step of any stage."""
        return self.path / "metrics.jsonl"

    @property
    def events_path(self) -> Path:
        """One JSON line per incident: a skipped row, a changed configuration."""
        return self.path / "events.jsonl"

    @property
    def summary_path(self) -> Path:
        """What scripts read."""
        return self.path / "summary.json"

    @property
    def report_path(self) -> Path:
        """The HTML report, once made."""
        return self.path / "report.html"

    @property
    def rollouts(self) -> Path:
        """Folder of the group records."""
        return self.path / "rollouts"

    @property
    def attempt(self) -> int:
        """Number of the current launch, from 1; 0 when the run was never locked."""
        return len(read_lines(self.path / "attempts.jsonl")[0])

    def append_metrics(self, line: Mapping[str, object]) -> int:
        """Append to ``metrics.jsonl``; returns how many non-finite numbers became ``null``."""
        return append_line(self.metrics_path, {"time": round(time.time(), 3), **line})

    def append_event(self, line: Mapping[str, object]) -> None:
        """Append to ``events.jsonl``."""
        append_line(self.events_path, {"time": round(time.time(), 3), **line})

    def skipped_questions(self) -> set[str]:
        """Ids of questions that turned out unusable in the middle of training."""
        events, _ = read_lines(self.events_path)
        return {str(line.get("id")) for line in events if line.get("event") == "group_skipped"}

    def write_json(self, name: str, value: object) -> Path:
        """Write a whole JSON file, or nothing; non-finite numbers become ``null``."""
        path = self.path / name
        text = json.dumps(strict(value)[0], allow_nan=False, indent=2, ensure_ascii=False)
        write_atomic(path, text.encode("utf-8", "replace") + b"\n")
        return path

    def rollout_log(self) -> RolloutLog:
        """Where a worker appends its group records."""
        return RolloutLog(self.rollouts)

    def read_step(self, step: int) -> list[GroupRecord]:
        """The records of one step that count: those of its last launch."""
        return current_records(RolloutLog(self.rollouts).read(step).records)

    def read_all(self) -> list[GroupRecord]:
        """The records of all steps that count, in the order of steps."""
        log = RolloutLog(self.rollouts)
        found = (record for step in log.steps() for record in log.read(step).records)
        return current_records(found)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Own the folder for one launch, and count it in ``attempts.jsonl``.

        Raises:
            RunFolderError: another process owns it.
        """
        path = self.path / ".lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RunFolderError.from_os_error("lock", path, error) from error
        try:
            self._take(descriptor)
            who = {"pid": os.getpid(), "host": socket.gethostname()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(who).encode(), 0)
            append_line(
                self.path / "attempts.jsonl",
                {"attempt": self.attempt + 1, "time": round(time.time(), 3), **who},
            )
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                owner = os.pread(descriptor, 300, 0).decode(errors="replace") or "unknown"
                raise RunFolderError(
                    f"{self.path} is in use by another run ({owner}); wait for it, end it, or "
                    "choose another --output"
                ) from error
            self.append_event({"event": "no_lock", "detail": str(error)})

    def _adopt(self) -> None:
        marker = self.path / _MARKER
        try:
            if self.path.exists() and not self.path.is_dir():
                raise RunFolderError(f"{self.path} is a file; choose another --output")
            self.path.mkdir(parents=True, exist_ok=True)
            if not marker.exists() and any(self.path.iterdir()):
                raise RunFolderError(
                    f"{self.path} is not empty and not a run folder; choose another --output "
                    "or empty it"
                )
            if not marker.exists():
                write_atomic(marker, b'{"format": 1}\n')
            for name in _FOLDERS:
                (self.path / name).mkdir(exist_ok=True)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise RunFolderError.from_os_error("use", self.path, error) from error
