"""What a report is made from: a run folder, or one of elections or an evaluation; read only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.config.student import FramesConfig
from ffr.config.yaml_io import parse_yaml
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.patches.files import StoreError
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore
from ffr.patches.walk import all_records, need_store
from ffr.repair.record import GroupRecord
from ffr.run.folder import RunFolder
from ffr.run.jsonl import read_lines
from ffr.run.records import RolloutLog, current_records
from ffr.run.summary import Summary, read_summary

__all__ = ["ELECTIONS", "SCORES", "Source", "open_source"]

ELECTIONS = "elections.jsonl"
SCORES = "scores.json"


@dataclass
class Source:
    """A folder and lazy access to what lies in it; what is missing is empty.

    Attributes:
        folder: the run.
        name: shown in the report, unique among its runs.
        given: the path as it was named.
        bad_lines: lines of the rollouts that are no record, counted while reading.
    """

    folder: RunFolder
    name: str
    given: Path
    bad_lines: int = 0

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def is_run(self) -> bool:
        """Whether it is a training run, not only elections."""
        return (self.path / ".ffr-run").is_file()

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as plain data: older versions had other keys."""
        try:
            found = parse_yaml(self.folder.config_path.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, UserError):
            return {}
        return found if isinstance(found, dict) else {}

    def setting(self, dotted: str) -> Any:
        """One value of the configuration; ``None`` when it is not there."""
        node: Any = self.config
        for part in dotted.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return node

    @cached_property
    def frames(self) -> FramesConfig | None:
        """How the student samples frames, when the configuration tells."""
        try:
            return FramesConfig.model_validate(self.setting("student.frames"))
        except ValidationError:
            return None

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return self.json("manifest.json")

    @cached_property
    def summary(self) -> Summary | None:
        """What the run achieved; ``None`` while it goes on."""
        try:
            return read_summary(self.path)
        except UserError:
            return None

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """Lines of ``metrics.jsonl``."""
        return read_lines(self.folder.metrics_path)[0]

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Lines of ``events.jsonl``."""
        return read_lines(self.folder.events_path)[0]

    @cached_property
    def questions(self) -> Mapping[str, Question]:
        """Questions of all splits, by id."""
        found: dict[str, Question] = {}
        for path in sorted((self.path / "data").glob("*.jsonl")):
            for line in read_lines(path)[0]:
                try:
                    question = Question.model_validate(line)
                except ValidationError:
                    continue
                found[question.id] = question
        return found

    @cached_property
    def elections(self) -> list[dict[str, Any]]:
        """Election records, raw."""
        found: list[dict[str, Any]] = []
        for path in sorted({self.path / ELECTIONS, *self.path.glob(f"*/{ELECTIONS}")}):
            found += read_lines(path)[0]
        return found

    @cached_property
    def patches(self) -> Mapping[str, StoredDiagnosis]:
        """Patches of the store the run used, by patch id; damaged ones are left out."""
        store = self.store
        if store is None:
            return {}
        return {
            record.patch.patch_id: record
            for _, record in all_records(store)
            if record is not None and record.patch is not None
        }

    @cached_property
    def store(self) -> PatchStore | None:
        """The patch store, wherever the run said; its own folder if that is gone."""
        for place in (self.json("inputs.json").get("store"), self.path / "patches"):
            if not isinstance(place, str | Path):
                continue
            try:
                return need_store(Path(place))
            except StoreError:
                continue
        return None

    @cached_property
    def media_root(self) -> Path | None:
        """Folder of the videos, if it is still there."""
        named = self.json("inputs.json").get("media_root")
        root = Path(named) if isinstance(named, str) else None
        return root if root is not None and root.is_dir() else None

    def groups(self) -> Iterator[GroupRecord]:
        """The group records that count, by step; one step in memory unless the run was resumed."""
        log = RolloutLog(self.folder.rollouts)
        if self.folder.attempt > 1:
            found = []
            for step in log.steps():
                read = log.read(step)
                self.bad_lines += read.bad_lines
                found += read.records
            yield from current_records(found)
            return
        for step in log.steps():
            read = log.read(step)
            self.bad_lines += read.bad_lines
            yield from current_records(read.records)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder, empty when it is missing or damaged."""
        try:
            found = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def open_source(path: Path, name: str) -> Source:
    """A run folder, or a folder with elections or an evaluation.

    Raises:
        UserError: it is none of them.
    """
    folder = RunFolder(path.absolute())
    if not any((path / name).is_file() for name in (".ffr-run", ELECTIONS, SCORES)):
        raise UserError(
            f"{path} is neither a run folder nor one of elections or of an evaluation; give a "
            "folder that ffr-train, ffr elect or ffr eval made"
        )
    return Source(folder, name, path)
