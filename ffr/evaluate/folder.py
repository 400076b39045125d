"""The folder of one evaluation: whose it is, what is done, and its final files.

``batches.jsonl`` gets a line per finished batch, whole or not at all, in whatever order they
finish; ``items.jsonl`` is made of it at the end, in the order of the data. A killed evaluation
that is started again does only what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ffr.errors import UserError
from ffr.evaluate.protocol import differing_keys
from ffr.evaluate.rows import ItemRow, items_bytes
from ffr.patches.files import StoreError, write_atomic
from ffr.run.jsonl import append_line, read_lines

__all__ = ["DoneBatch", "EvalFolder"]


class DoneBatch(BaseModel):
    """One line of ``batches.jsonl``; ``seconds`` is the model's wall time for the batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int
    seconds: float
    rows: tuple[ItemRow, ...]


class EvalFolder:
    """Paths and files of an evaluation.

    Args:
        path: the folder; made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.items_path = path / "items.jsonl"
        self.scores_path = path / "scores.json"
        self.manifest_path = path / "manifest.json"
        self._batches_path = path / "batches.jsonl"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out.

        Raises:
            UserError: another process evaluates into this folder, or it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError.from_os_error("write", self.path, error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    f"another process evaluates into {self.path}; wait for it, or give another "
                    "--out"
                ) from error
            yield
        finally:
            os.close(descriptor)

    def claim(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make the folder this evaluation's, or make sure that it already is.

        Args:
            manifest: see ``ffr.evaluate.manifest``; its ``identity`` must be the folder's.

        Returns:
            The folder's manifest; ``launches`` has an entry per change of versions or commit.

        Raises:
            UserError: it holds another evaluation; naming the keys that differ.
        """
        known = self.read_manifest() if self.manifest_path.is_file() else None
        if known is None:
            if self._batches_path.exists() or self.items_path.exists():
                raise UserError(f"{self.path} holds items without a manifest; give another --out")
            known = {**manifest, "launches": [manifest["launch"]]}
            del known["launch"]
        elif known.get("identity") != manifest["identity"]:
            keys = "; ".join(differing_keys(known.get("identity", {}), manifest["identity"])[:5])
            raise UserError(
                f"{self.path} holds another evaluation ({keys}); set that back to go on with it, "
                "or give another --out"
            )
        elif known["launches"][-1] != manifest["launch"]:
            known["launches"].append(manifest["launch"])
        write_json(self.manifest_path, known)
        return known

    def read_manifest(self) -> dict[str, Any]:
        """The manifest of an evaluation.

        Raises:
            UserError: there is none that can be read.
        """
        return read_json(self.manifest_path)

    def done(self, question_ids: Sequence[Sequence[str]]) -> dict[int, DoneBatch]:
        """Finished batches by number; of several lines the last counts.

        Args:
            question_ids: of every batch; lines that do not fit are left out.
        """
        found: dict[int, DoneBatch] = {}
        for raw in read_lines(self._batches_path)[0]:
            try:
                line = DoneBatch.model_validate(raw)
            except ValidationError:
                continue
            if 0 <= line.batch < len(question_ids) and [
                row.question_id for row in line.rows
            ] == list(question_ids[line.batch]):
                found[line.batch] = line
        return found

    def add(self, batch: DoneBatch) -> None:
        """Keep a finished batch.

        Raises:
            UserError: full disk, no permission.
        """
        data = json.loads(batch.model_dump_json())  # pydantic's own floats, nothing lost
        append_line(self._batches_path, data)

    def write_items(self, rows: Sequence[ItemRow]) -> None:
        """Write ``items.jsonl``, whole.

        Raises:
            UserError: full disk, no permission.
        """
        write_atomic(self.items_path, items_bytes(rows))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write strict JSON, whole.

    Raises:
        UserError: full disk, no permission.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text.encode() + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of an evaluation's folder.

    Raises:
        UserError: there is none that can be read.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read {path} ({type(error).__name__}); give a folder `ffr eval` made"
        ) from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; give a folder `ffr eval` made")
    return value
