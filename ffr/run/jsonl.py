"""Append-only JSON lines, strict JSON, safe for several processes and for crashes.

A line is written by one ``write`` to a file opened for appending, under an advisory lock where
the file system has one; a write that fails half way (full disk) is cut off again, and a torn
last line left by a kill is closed before the next one.  Readers skip what is not a whole line.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ffr.patches.files import StoreError

__all__ = ["RunFolderError", "append_line", "read_lines", "strict"]


class RunFolderError(StoreError):
    """The run folder cannot be used; the message names the path and the fix."""


def strict(value: object) -> tuple[Any, int]:
    """``value`` as plain JSON data, and how many NaN or infinite numbers became ``null``.

    Takes mappings, sequences, numbers, text, paths, pydantic models and NumPy scalars.

    Raises:
        TypeError: something else; naming its type.
    """
    if isinstance(value, BaseModel):
        return strict(dict(value))
    if value is None or isinstance(value, str | bool | int):
        return value, 0
    if isinstance(value, float):
        return (value, 0) if math.isfinite(value) else (None, 1)
    if isinstance(value, Mapping):
        pairs = {str(key): strict(item) for key, item in value.items()}
        return {key: item for key, (item, _) in pairs.items()}, sum(n for _, n in pairs.values())
    if isinstance(value, list | tuple):
        items = [strict(item) for item in value]
        return [item for item, _ in items], sum(n for _, n in items)
    if isinstance(value, Path):
        return str(value), 0
    if hasattr(value, "item"):
        return strict(value.item())
    raise TypeError(f"cannot write {type(value).__name__} as JSON; give plain data")


def append_line(path: Path, value: Mapping[str, object] | BaseModel) -> int:
    """Append one object as one line; returns how many non-finite numbers became ``null``.

    When there were any, the line says so itself under ``non_finite``.

    Raises:
        RunFolderError: full disk, no permission; the file is left as it was.
    """
    data, replaced = strict(value)
    if replaced:
        data["non_finite"] = replaced
    line = json.dumps(data, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: O_APPEND alone
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            _append(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RunFolderError.from_os_error("write", path, error) from error
    return replaced


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """All whole lines of a file that hold a JSON object, and the number of lines that do not.

    A missing file has no lines.

    Raises:
        RunFolderError: the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise RunFolderError.from_os_error("read", path, error) from error
    objects: list[dict[str, Any]] = []
    bad = 0
    for line in raw.split(b"\n"):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            objects.append(value)
        else:
            bad += 1
    return objects, bad


def _append(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    left = memoryview(line)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
