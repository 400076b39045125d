"""What people decided about patches: accepted or rejected, by whom, when and why.

``<root>/reviews/ab/cd/<key>.json`` holds the marks of one request, newest last.  A mark is about
one patch, by its id: another patch for the same request is a new case.  A rejected patch is never
served again; its record and images stay, so that the mark can be taken back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffr.patches.files import StoreError, shard_path, write_atomic
from ffr.patches.patch import NoPatch

__all__ = ["CorruptReviewError", "Mark", "ReviewBook", "Verdict"]

Verdict = Literal["accept", "reject", "clear"]
_MOST = 50


class CorruptReviewError(ValueError):
    """The file of marks is torn, changed, or of an unknown version."""


class Mark(BaseModel):
    """One decision.

    Attributes:
        patch_id: which patch it is about.
        verdict: ``clear`` takes the earlier ones back.
        by: who decided.
        at: when, ISO 8601 in UTC.
        why: for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patch_id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    verdict: Verdict
    by: Annotated[str, Field(min_length=1, max_length=120)]
    at: Annotated[str, Field(max_length=40)] = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )
    why: Annotated[str, Field(max_length=1000)] = ""


class _Marks(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    marks: tuple[Mark, ...]


class ReviewBook:
    """The marks of one store; safe for any number of readers and writers.

    Two people who mark the same request in the same instant: one of the two marks stays.

    Args:
        root: ``<store>/reviews``; made on the first mark.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where the marks of a request lie or would lie."""
        return shard_path(self.root, key, ".json")

    def marks(self, key: str) -> tuple[Mark, ...]:
        """All marks of a request, oldest first.

        Raises:
            CorruptReviewError: the file is damaged.
            StoreError: it cannot be read.
        """
        path = self.path(key)
        try:
            return _load(key, path.read_bytes())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreError.from_os_error("read", path, error) from error

    def verdict(self, key: str, patch_id: str) -> Mark | None:
        """The mark in force for one patch of a request: accepted, rejected, or none.

        Raises:
            CorruptReviewError: the file is damaged.
            StoreError: it cannot be read.
        """
        mine = [mark for mark in self.marks(key) if mark.patch_id == patch_id]
        return mine[-1] if mine and mine[-1].verdict != "clear" else None

    def refusal(self, key: str, patch_id: str) -> NoPatch | None:
        """Why this patch must not be served, or ``None``.

        A damaged mark counts as a rejection: better one patch too few than a bad one.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            mark = self.verdict(key, patch_id)
        except CorruptReviewError as error:
            detail = f"its review {self.path(key)} is damaged ({error}); mark it again"
            return NoPatch(reason="rejected", detail=detail)
        if mark is None or mark.verdict != "reject":
            return None
        why = f": {mark.why}" if mark.why else ""
        return NoPatch(reason="rejected", detail=f"rejected by {mark.by} at {mark.at}{why}")

    def add(self, key: str, mark: Mark) -> None:
        """Write a mark; the last 50 of a request are kept.

        Raises:
            StoreError: the disk is full or the folder is not writable.
        """
        try:
            before = self.marks(key)
        except CorruptReviewError:
            before = ()  # what is there cannot be read, and says less than the new mark
        write_atomic(self.path(key), _dump(key, (*before, mark)[-_MOST:]))

    def keys(self) -> Iterator[str]:
        """Request keys that have marks, in a fixed order."""
        for path in sorted(self.root.glob("??/??/*.json")):
            yield path.stem


def _digest(key: str, body: str) -> str:
    return hashlib.sha256((key + body).encode()).hexdigest()


def _body(marks: _Marks) -> str:
    return json.dumps(marks.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


def _dump(key: str, marks: tuple[Mark, ...]) -> bytes:
    body = _body(_Marks(marks=marks))
    text = json.dumps({"key": key, "sha256": _digest(key, body)})
    return f'{text[:-1]}, "review": {body}}}\n'.encode()


def _load(key: str, data: bytes) -> tuple[Mark, ...]:
    try:
        found = json.loads(data)
        marks = _Marks.model_validate(found["review"])
        if found["key"] != key or found["sha256"] != _digest(key, _body(marks)):
            raise CorruptReviewError("content does not match its checksum")
    except ValidationError as error:
        raise CorruptReviewError(f"unknown version: {error.errors()[0]['msg']}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, CorruptReviewError):
            raise
        raise CorruptReviewError("torn or no review") from error
    return marks.marks
