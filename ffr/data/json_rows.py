"""JSON objects from files of any size, one at a time: JSON Lines, or one JSON list.

A list is cut into its elements before any of them is parsed, so that a broken element costs that
element and not the rest of the file; that is why no streaming JSON parser is used here, they stop
at the first error.  Refused in both forms: text that is not UTF-8, NaN and infinity, an object
with a key twice, rows above ``MAX_ROW_BYTES``.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from ffr.data.bad_rows import BadRow
from ffr.errors import UserError

__all__ = ["MAX_ROW_BYTES", "clip_value", "iter_json", "read_json_rows"]

MAX_ROW_BYTES = 16 * 2**20
"""Longest row that is read, in bytes."""

_CHUNK = 2**20
_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|"|[\[\]{},]', re.DOTALL)
_QUOTE, _COMMA = b'",'
_OPEN, _CLOSE = b"{[", b"}]"
_MAX_DEPTH = 1_000_000

Row = tuple[int, dict[str, Any] | BadRow]
"""Line or place from 1, and the object."""


def read_json_rows(path: Path) -> Iterator[Row]:
    """The JSON objects of a JSONL file with their line numbers; a ``BadRow`` where it is none.

    ``.gz`` files are unpacked on the way. Blank lines are allowed.

    Raises:
        UserError: the file cannot be read.
    """
    with _open(path) as file:
        yield from _lines(path, file, b"")


def iter_json(path: Path) -> Iterator[Row]:
    """Like ``read_json_rows``, and also for a file that holds one JSON list of objects.

    Raises:
        UserError: the file cannot be read.
    """
    with _open(path) as file:
        head = b""
        while not head.strip():
            chunk = _read(path, file, 4096)
            if not chunk:
                return
            head += chunk
        if head.lstrip().startswith(b"["):
            yield from _elements(path, file, head.lstrip()[1:])
        else:
            yield from _lines(path, file, head)


def clip_value(value: object) -> str:
    """A value for a message: JSON, at most 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _open(path: Path) -> IO[bytes]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        file = cast(IO[bytes], opener(path, "rb"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a readable file") from error
    try:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
    except OSError as error:
        file.close()
        raise UserError(f"cannot read {path}: {error}; give a readable file") from error
    return file


def _read(path: Path, file: IO[bytes], size: int, *, line: bool = False) -> bytes:
    try:
        return file.readline(size) if line else file.read(size)
    except (OSError, EOFError) as error:  # EOFError: a cut gzip file
        raise UserError(f"cannot read {path}: {error}; the file is damaged") from error


def _lines(path: Path, file: IO[bytes], head: bytes) -> Iterator[Row]:
    number = 0
    parts = head.split(b"\n")  # only in text that was read to look at its beginning
    for raw in parts[:-1]:
        number += 1
        if raw.strip():
            yield number, _json_object(number, raw)
    rest = parts[-1]
    while True:
        raw = rest + _read(path, file, max(1, MAX_ROW_BYTES + 1 - len(rest)), line=True)
        rest = b""
        if not raw:
            return
        number += 1
        if len(raw) > MAX_ROW_BYTES and not raw.endswith(b"\n"):
            size = len(raw)
            while more := _read(path, file, _CHUNK, line=True):
                size += len(more)
                if more.endswith(b"\n"):
                    break
            yield number, _too_long(number, size)
        elif raw.strip():
            yield number, _json_object(number, raw)


def _elements(path: Path, file: IO[bytes], buffer: bytes) -> Iterator[Row]:
    """Elements of a list whose opening bracket was read."""
    place = 1
    start = scan = dropped = 0
    nesting = _Nesting()
    while True:
        for match in _TOKEN.finditer(buffer, scan):
            begin, end = match.span()
            first = buffer[begin]
            if first == _QUOTE:
                if end - begin == 1:  # the text goes on in what was not read yet
                    scan = begin
                    break
            elif first in _OPEN:
                nesting.open(first)
            elif first in _CLOSE and nesting:
                nesting.close(first)
            elif not nesting:
                raw = buffer[start:begin]
                if first == _COMMA or raw.strip() or dropped:
                    yield place, _element(place, raw, dropped)
                    place += 1
                dropped, start = 0, end
                if first != _COMMA:
                    if buffer[end:].strip() or _read(path, file, _CHUNK).strip():
                        reason = "text after the end of the list; keep one list in the file"
                        yield place, BadRow(place, None, reason, "json")
                    return
            scan = end
        else:
            scan = len(buffer)
        buffer, scan, start = buffer[start:], scan - start, 0
        if len(buffer) > MAX_ROW_BYTES:  # keep what is needed to find the end, and no more
            inside = buffer[scan:]
            odd = (len(inside) - len(inside.rstrip(b"\\"))) % 2
            kept = (b'"' + b"\\" * odd) if inside else b""
            dropped += len(buffer) - len(kept)
            buffer, scan = kept, 0
        chunk = _read(path, file, max(_CHUNK, len(buffer)))
        if not chunk:
            reason = "the list ends without ']': the file is cut off, or a text lacks its quote"
            yield place, BadRow(place, None, reason, "json")
            return
        buffer += chunk


class _Nesting:
    """Open brackets; one that is closed closes those within it that were forgotten."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._deeper = 0

    def __bool__(self) -> bool:
        return bool(self._open)

    def open(self, bracket: int) -> None:
        if len(self._open) < _MAX_DEPTH:
            self._open.append(bracket)
        else:
            self._deeper += 1

    def close(self, bracket: int) -> None:
        if self._deeper:
            self._deeper -= 1
            return
        opener = self._open.rfind(_OPEN[_CLOSE.index(bracket)])
        if opener >= 0:
            del self._open[opener:]


def _element(place: int, raw: bytes, dropped: int) -> dict[str, Any] | BadRow:
    return _too_long(place, dropped + len(raw)) if dropped else _json_object(place, raw)


def _too_long(place: int, size: int) -> BadRow:
    reason = f"has {size} bytes; at most {MAX_ROW_BYTES} are read, shorten the row"
    return BadRow(place, None, reason, "too_long")


def _json_object(line: int, raw: bytes) -> dict[str, Any] | BadRow:
    if len(raw) > MAX_ROW_BYTES:
        return _too_long(line, len(raw))
    try:
        text = raw.decode("utf-8")
        row = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
        if "\\u" in text:  # half a surrogate pair can only be written so
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        reason = "holds half a surrogate pair (\\ud800-\\udfff); write whole text"
        return BadRow(line, None, reason, "json")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8; save the file as UTF-8"
        return BadRow(line, None, reason, "json")
    except json.JSONDecodeError as error:
        reason = f"column {error.colno}: not valid JSON ({error.msg})"
        return BadRow(line, None, reason, "json")
    except ValueError as error:
        return BadRow(line, None, str(error), "json")
    except RecursionError:
        return BadRow(line, None, "nested too deeply; a row is one flat object", "json")
    if not isinstance(row, dict):
        return BadRow(line, None, f"{clip_value(row)} is not an object; write {{...}}", "schema")
    return row


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed; give a finite number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twin!r} occurs twice; keep one")
    return row
