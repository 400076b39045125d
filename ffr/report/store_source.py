"""A patch store with what is needed to judge its patches: questions, videos, the leak gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ffr.data.by_id import questions_by_id
from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.patches.review import CorruptReviewError, Mark
from ffr.patches.store import PatchStore
from ffr.patches.walk import need_store
from ffr.teacher.leakage.gate import check_patch

__all__ = ["StoreSource", "is_store", "open_store"]

State = Literal["unreviewed", "accepted", "rejected", "damaged"]
_RUN = ".ffr-run"


@dataclass(frozen=True)
class StoreSource:
    """A store and its surroundings.

    Attributes:
        name: for people.
        questions: by id, as far as they were named or found.
        media_root: folder of the videos, or ``None`` to show none.
    """

    store: PatchStore
    name: str
    questions: dict[str, Question]
    media_root: Path | None

    def rules(self, question: Question | None, patch: EvidencePatch) -> tuple[str, ...] | None:
        """Rules of the leak gate the patch breaks now; ``None`` without its question.

        Nothing of an open answer counts as known to the student, which is the stricter verdict.
        """
        return None if question is None else check_patch(question, patch, "").rules

    def marks(self, key: str, patch_id: str) -> tuple[State, tuple[Mark, ...]]:
        """What people decided about a patch, and every mark about it, oldest first."""
        try:
            found = self.store.reviews.marks(key)
        except CorruptReviewError:
            return "damaged", ()
        mine = tuple(mark for mark in found if mark.patch_id == patch_id)
        if not mine or mine[-1].verdict == "clear":
            return "unreviewed", mine
        return "accepted" if mine[-1].verdict == "accept" else "rejected", mine


def is_store(path: Path) -> bool:
    """Whether a folder is a patch store and no run."""
    return not (path / _RUN).is_file() and any((path / n).is_dir() for n in ("records", "shards"))


def open_store(
    root: Path, questions: Sequence[Path] = (), media_root: Path | None = None
) -> StoreSource:
    """A store; the questions and videos of the run it lies in are found by themselves.

    Args:
        root: of the store.
        questions: files with the questions the patches were made for.
        media_root: folder of the videos.

    Raises:
        UserError: there is no store, or a question file cannot be read.
    """
    store = need_store(root)
    run = root.absolute().parent
    files = list(questions)
    if not files and (run / _RUN).is_file():
        files = sorted((run / "data").glob("*.jsonl"))
    if media_root is None:
        media_root = _of_run(run) or _of_files(files)
    name = f"{run.name}/{root.absolute().name}"
    return StoreSource(store, name, questions_by_id(files), media_root)


def _of_run(run: Path) -> Path | None:
    try:
        named = json.loads((run / "inputs.json").read_bytes())["media_root"]
        return Path(named) if Path(named).is_dir() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_files(files: Sequence[Path]) -> Path | None:
    """Videos lie beside their questions unless somebody says otherwise."""
    return files[0].absolute().parent if files else None
