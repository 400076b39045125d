"""Content ids of videos, remembered between launches: resuming must not hash a data set again."""

from __future__ import annotations

import threading
from pathlib import Path

from ffr.run.jsonl import append_line, read_lines
from teacher_tools.media import content_id

__all__ = ["VideoIds"]


class VideoIds:
    """``content_id`` with a file behind it; safe to call from several threads.

    A video counts as known when path, size and modification time are those remembered.

    Args:
        path: JSONL file, appended to; lines that are none are ignored.
        write: keep what is new.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self._path = path
        self._write = write
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int, int], str] = {}
        for line in read_lines(path)[0]:
            match line:
                case {"path": str(name), "size": int(size), "mtime_ns": int(mtime), "id": str(sha)}:
                    self._known[name, size, mtime] = sha

    def get(self, video: Path) -> str:
        """SHA-256 in hex of the file's bytes.

        Raises:
            MediaNotFoundError: the file cannot be read.
            RunFolderError: the memory cannot be written.
        """
        try:
            status = video.stat()
        except OSError:
            return content_id(video)  # says what is wrong
        key = (str(video), status.st_size, status.st_mtime_ns)
        known = self._known.get(key)
        if known is not None:
            return known
        sha = content_id(video)
        with self._lock:
            self._known[key] = sha
            if self._write:
                line = {"path": key[0], "size": key[1], "mtime_ns": key[2], "id": sha}
                append_line(self._path, line)
        return sha
