"""What there is to look at: prepared by a run, or put together for a look without one."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.data.question import Question
from ffr.demo.manifest import read_manifest
from ffr.errors import UserError
from ffr.preflight.check import Check, Group
from ffr.repair.components import check_components
from ffr.run.folder import RunFolder
from ffr.train.apart import call_apart
from ffr.train.loggers import check_loggers
from ffr.train.prepare import Inputs, prepare_data, prepare_student

T = TypeVar("T")

__all__ = ["Situation", "look", "prepare"]


@dataclass
class Situation:
    """What is known before the checks begin.

    Attributes:
        folder: the run folder, or where it would be.
        inputs: checked data, ``None`` when there is none.
        model: the student's checkpoint folder, ``None`` when there is none.
        findings: what preparing them found.
    """

    folder: Path
    inputs: Inputs | None = None
    model: Path | None = None
    findings: list[Check] = field(default_factory=list)

    def tried(self, group: Group, name: str, fix: str, do: Callable[[], T]) -> T | None:
        """What ``do`` returns; what it refuses becomes a finding."""
        try:
            return do()
        except UserError as error:
            self.findings.append(Check(group, name, "problem", str(error), fix))
            return None

    def questions(self, split: str = "train") -> list[Question]:
        """Of one split, or of none."""
        path = getattr(self.inputs, split) if self.inputs is not None else None
        if path is None:
            return []
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        return [Question.model_validate_json(line) for line in lines if line]


def prepare(
    config: RunConfig, folder: RunFolder, *, place: Path | None = None, check_media: bool = True
) -> Situation:
    """Data and student; what is wrong with them becomes a finding, so that all can be told.

    Args:
        config: resolved.
        folder: takes the checked data.
        place: the run folder the disk is looked at for; default: ``folder``.
        check_media: open every video.
    """
    found = Situation(place or folder.path)
    tried = found.tried
    tried("run", "loggers", "change loggers", lambda: check_loggers(config.loggers))
    if "grpo" in config.stages and config.reward.components:
        rewards = config.reward
        tried("run", "rewards", "change reward", lambda: call_apart(check_components, rewards))
    found.inputs = tried(
        "data", "data", "change data",
        lambda: prepare_data(config, folder, check_media=check_media),
    )  # fmt: skip
    if found.inputs is not None:
        found.findings.append(_counted(found, found.inputs.skipped_rows))
    if found.inputs is not None or config.student.path is not None:
        # A tiny student's words come from the data.
        found.model = tried(
            "model", "student", "give a checkpoint folder",
            lambda: prepare_student(config, folder, found.inputs),
        )  # fmt: skip
    return found


def _counted(found: Situation, skipped: int) -> Check:
    splits = ("train", "validation", "test")
    told = ", ".join(f"{name} {count}" for name in splits if (count := len(found.questions(name))))
    if not skipped:
        return Check("data", "data", "ok", f"questions: {told or 'none'}")
    text = f"questions: {told or 'none'}; bad rows: {skipped}"
    return Check("data", "data", "warning", text, "see events.jsonl, or `ffr data check`")


@contextlib.contextmanager
def look(config: RunConfig) -> Iterator[Situation]:
    """The same for ``ffr doctor CONFIG`` and dry runs: nothing is rendered, nothing stays."""
    place = Path(config.output or Path("runs") / config.name)
    demo = config.data.demo
    if demo is not None and not _rendered(config):
        told = f"the demo world in {demo.path} is not rendered yet; the run will do so"
        yield Situation(place, findings=[
            Check("data", "data", "warning", told, "`ffr data demo` renders it now")
        ])  # fmt: skip
        return
    with tempfile.TemporaryDirectory(prefix="ffr-look-") as scratch:
        folder = RunFolder.create(Path(scratch) / "run", dump_config(config))
        yield prepare(config, folder, place=place, check_media=False)


def _rendered(config: RunConfig) -> bool:
    assert config.data.demo is not None
    root = Path(config.data.demo.path)
    try:
        manifest = read_manifest(root / "manifest.json", config.data.demo)
    except UserError:
        return False
    return manifest is not None and manifest.complete and not manifest.damaged(root)
