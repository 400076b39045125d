"""Rows that cannot be used: how each is named, counted and recorded, and how many are borne."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from ffr.errors import UserError

__all__ = ["KINDS", "BadRow", "BadRows", "RowError", "RowPolicy"]

KINDS = (
    "json", "schema", "options", "answer", "times", "control_token", "too_long", "duplicate_id",
    "media_missing", "media_refused", "media_undecodable", "media_damaged", "media_timeout",
    "media_crash", "media_short",
)  # fmt: skip
"""Every kind of bad row, in the order of reports."""

_SHOWN = 5
_POLICY = re.compile(r"limit[ =:]*(\d{1,12})")
_MAX_REASON = 600


@dataclass(frozen=True)
class BadRow:
    """A row that was left out.

    Attributes:
        line: counts from 1: the line of a JSONL, CSV or text file, else the place of the row.
        id: ``None`` when unreadable.
        reason: what is wrong and how to mend it, one line.
        kind: one of ``KINDS``.
    """

    line: int
    id: str | None
    reason: str
    kind: str = "schema"

    def __str__(self) -> str:
        name = f" (id {self.id!r})" if self.id else ""
        return f"line {self.line}{name}: {self.reason}"

    def as_dict(self) -> dict[str, int | str | None]:
        """For reports."""
        return {"line": self.line, "id": self.id, "kind": self.kind, "reason": self.reason}


class RowError(ValueError):
    """Raised where a record does not fit; becomes a ``BadRow`` of ``kind``."""

    def __init__(self, reason: str, kind: str = "schema") -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class RowPolicy:
    """How many bad rows are borne; none is ever replaced by something else.

    Attributes:
        mode: ``fail``: none, and all of them are found before it is said; ``skip``: any number;
            ``limit``: up to ``limit``, and the row after that ends the work at once.
    """

    mode: Literal["fail", "skip", "limit"] = "fail"
    limit: int = 0

    @classmethod
    def parse(cls, text: str) -> RowPolicy:
        """``fail``, ``skip`` or ``limit N`` (also ``limit=N``).

        Raises:
            UserError: something else.
        """
        word = text.strip().lower()
        if word == "fail":
            return cls("fail")
        if word == "skip":
            return cls("skip")
        if match := _POLICY.fullmatch(word):
            return cls("limit", int(match.group(1)))
        raise UserError(
            f"row policy {text!r} is not known; give fail, skip, or limit N such as 'limit 100'"
        )

    def __str__(self) -> str:
        return f"limit {self.limit}" if self.mode == "limit" else self.mode


class BadRows:
    """Counts bad rows by kind and keeps the first of each; a context manager.

    Args:
        source: for messages.
        policy: see ``RowPolicy``.
        record: file that gets every bad row as a JSON line; made with the first of them, and an
            older one is removed. ``None`` records only the first of each kind.
        shown: bad rows kept of each kind.
    """

    def __init__(
        self, source: str, policy: RowPolicy, record: Path | None = None, *, shown: int = _SHOWN
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._source = source
        self._policy = policy
        self._path = record
        self._shown = shown
        self._first: dict[str, list[BadRow]] = {}
        self._file: IO[str] | None = None
        if record is not None:
            with contextlib.suppress(FileNotFoundError):
                record.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def total(self) -> int:
        """Bad rows so far."""
        return self.counts.total()

    @property
    def record(self) -> Path | None:
        """The file that holds all of them, when there are any."""
        return self._path if self._file is not None else None

    def add(self, row: BadRow) -> None:
        """Count a bad row.

        Raises:
            UserError: it is one more than a ``limit`` allows, or it cannot be recorded.
        """
        if len(row.reason) > _MAX_REASON:
            row = BadRow(row.line, row.id, row.reason[: _MAX_REASON - 3] + "...", row.kind)
        self.counts[row.kind] += 1
        kept = self._first.setdefault(row.kind, [])
        if len(kept) < self._shown:
            kept.append(row)
        self._write(row)
        if self._policy.mode == "limit" and self.total > self._policy.limit:
            raise UserError(
                f"{self._source}: more than {self._policy.limit} bad rows "
                f"({self._kinds()}), the last {row}; mend them or raise the limit"
            )

    def first(self) -> Iterator[BadRow]:
        """The first bad rows of each kind, by line."""
        yield from sorted((r for rows in self._first.values() for r in rows), key=lambda r: r.line)

    def settle(self, total: int) -> None:
        """Call at the end; ``total`` is the number of rows read.

        Raises:
            UserError: there are bad rows and the policy is ``fail``.
        """
        if not self.total or self._policy.mode != "fail":
            return
        shown = list(self.first())[: self._shown]
        more = f"; and {self.total - len(shown)} more" if self.total > len(shown) else ""
        where = f"; all of them are in {self._path}" if self._file is not None else ""
        raise UserError(
            f"{self._source}: {self.total} of {total} rows are bad ({self._kinds()}): "
            f"{'; '.join(map(str, shown))}{more}{where}. Mend them, or leave them out with "
            "--on-bad-row skip"
        )

    def report(self) -> dict[str, object]:
        """Counts by kind, the first of each kind, and where all of them are recorded."""
        return {
            "total": self.total,
            "by_kind": {kind: self.counts[kind] for kind in KINDS if self.counts[kind]},
            "first": [row.as_dict() for row in self.first()],
            "record": str(self._path) if self._file is not None else None,
        }

    def _kinds(self) -> str:
        return ", ".join(f"{self.counts[kind]} {kind}" for kind in KINDS if self.counts[kind])

    def _write(self, row: BadRow) -> None:
        if self._path is None:
            return
        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8")
            self._file.write(json.dumps(row.as_dict()) + "\n")
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"cannot record bad rows in {self._path}: {error.strerror}; give a writable place"
            ) from error
