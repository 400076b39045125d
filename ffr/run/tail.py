"""Follow a JSON-lines file while others write it, some of them dying mid-line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ffr.run.jsonl import RunFolderError

__all__ = ["JsonTail"]


class JsonTail:
    """Gives every whole line that holds a JSON object once, in writing order.

    A last line still being written waits for its end; a line torn by a killed writer, closed by
    the next one, is passed over; a file that was replaced by a shorter one is read anew.

    Args:
        path: the file; it need not exist yet.
        from_end: begin at the present end instead of the beginning.
        last_bytes: begin at most this many bytes before the present end, at a whole line.
    """

    def __init__(
        self, path: Path, *, from_end: bool = False, last_bytes: int | None = None
    ) -> None:
        self._path = path
        self._offset = 0
        self._skip_first = False
        size = path.stat().st_size if path.exists() else 0
        if from_end:
            self._offset = size
        elif last_bytes is not None and size > last_bytes:
            self._offset, self._skip_first = size - last_bytes, True

    def read(self) -> list[dict[str, Any]]:
        """What was completed since the last call.

        Raises:
            RunFolderError: the file exists but cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self._offset:
                    self._offset, self._skip_first = 0, False
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunFolderError.from_os_error("read", self._path, error) from error
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = whole.split(b"\n")
        if self._skip_first and len(lines) > 1:
            lines, self._skip_first = lines[1:], False
        return [value for line in lines if isinstance(value := _json(line), dict)]


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
