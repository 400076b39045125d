"""Where rows come from: one name in, a stream of numbered records out."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ffr.data.bad_rows import BadRow
from ffr.data.json_rows import MAX_ROW_BYTES, iter_json
from ffr.data.table_rows import hub_rows, parquet_rows
from ffr.errors import UserError

__all__ = ["Source"]

_HUB = "hf:"
_CHARADES = re.compile(r"(\S+) +(\S+) +(\S+?)##(.*)")

Row = tuple[int, dict[str, Any] | BadRow]


@dataclass(frozen=True)
class Source:
    """A data set somewhere.

    Attributes:
        name: ``*.parquet``, ``*.csv``, ``*.txt`` (Charades-STA's lines), ``hf:NAME_OR_FOLDER``,
            or any other file: JSON Lines or a JSON list, perhaps ``.gz``.
        split: part of a Hugging Face dataset.
        subset: configuration of a Hugging Face dataset.
    """

    name: str
    split: str = "train"
    subset: str | None = None

    @property
    def path(self) -> Path | None:
        """The file; ``None`` for Hugging Face datasets."""
        return None if self.name.startswith(_HUB) else Path(self.name)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Records with their line or place, streamed; ``BadRow`` where there is none.

        Args:
            columns: of typed files only these are read.

        Raises:
            UserError: it cannot be read.
        """
        path = self.path
        if path is None:
            return hub_rows(
                self.name.removeprefix(_HUB), split=self.split, subset=self.subset, columns=columns
            )
        match path.suffix.lower():
            case ".parquet":
                return parquet_rows(path, columns)
            case ".csv":
                return _csv_rows(path)
            case ".txt":
                return _charades_rows(path)
        return iter_json(path)


def _text(path: Path) -> IO[str]:
    try:
        # Bytes that are no UTF-8 stay visible as surrogates, so that they cost one row.
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a readable file") from error


def _csv_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW_BYTES)
    with closing(_text(path)) as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if not header or len(set(header)) < len(header):
            raise UserError(f"{path}: the first line names no columns, or one twice; mend it")
        while True:
            line = reader.line_num + 1
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, BadRow(line, None, f"no CSV row ({error}); mend its quotes", "json")
                continue
            if not values:
                continue
            if len(values) != len(header):
                reason = f"{len(values)} columns, the header has {len(header)}; mend its commas"
                yield line, BadRow(line, None, reason, "json")
            else:
                yield line, _whole(line, dict(zip(header, values, strict=True)))


def _charades_rows(path: Path) -> Iterator[Row]:
    with closing(_text(path)) as file:
        number = 0
        while raw := file.readline(MAX_ROW_BYTES):
            number += 1
            text = raw.strip()
            if not text:
                continue
            match = _CHARADES.fullmatch(text)
            if match is None:
                reason = f"{text[:60]!r} is not 'VIDEO START END##SENTENCE'; mend the line"
                yield number, BadRow(number, None, reason, "json")
                continue
            video, start, end, sentence = match.groups()
            record = {"video": video, "start": start, "end": end, "sentence": sentence}
            yield number, _whole(number, record)


def _whole(line: int, record: dict[str, Any]) -> dict[str, Any] | BadRow:
    try:
        "".join(record.values()).encode()
    except UnicodeEncodeError:
        return BadRow(line, None, "holds bytes that are not UTF-8; save the file as UTF-8", "json")
    return record
