"""Videos under names that say nothing about where they lie, for callers that may pick one."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ffr.errors import UserError
from teacher_tools.errors import ToolError, safe_text
from teacher_tools.media import MediaError, resolve_media

__all__ = ["VideoShelf", "video_name"]

_SUFFIXES = frozenset(
    (
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg", ".mpeg", ".flv",
        ".ogv", ".wmv", ".3gp",
    )
)  # fmt: skip
_ALIAS = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
_MAX_VIDEOS = 1_000_000
_RESCAN_S = 10.0  # an unknown name makes us look again, but not more often than this


def video_name(relative: PurePosixPath | str) -> str:
    """The name of the video at this path below the root; the same on every machine."""
    return "v" + hashlib.sha256(str(PurePosixPath(relative)).encode()).hexdigest()[:16]


class VideoShelf:
    """The videos below one folder, by opaque name; safe for threads.

    Args:
        root: folder to look in, and the only one that is ever read.
        aliases: further names for people, each with a path below ``root``.

    Attributes:
        skipped: files the last scan left out: links that lead outside, pipes, unreadable ones.

    Raises:
        UserError: ``root`` is no folder, or an alias is malformed or names no video.
    """

    def __init__(self, root: Path, aliases: Mapping[str, str] | None = None) -> None:
        self._root = root.expanduser()
        if not self._root.is_dir():
            raise UserError(f"root {str(root)!r} is not a folder; give the folder of the videos")
        self._lock = threading.Lock()
        self._aliases: dict[str, str] = {}
        for alias, video in (aliases or {}).items():
            if not _ALIAS.match(alias):
                raise UserError(
                    f"video name {alias!r} is not allowed; use letters, digits, _ and -, at most 64"
                )
            resolve_media(video, self._root)
            self._aliases[alias] = video
        self._found: dict[str, str] = {}
        self._scanned_at = 0.0
        self.skipped = 0
        self.scan()

    @property
    def names(self) -> tuple[str, ...]:
        """All names: aliases first, then the files not covered by one, in the order of paths."""
        with self._lock:
            covered = set(self._aliases.values())
            rest = (name for name, path in self._found.items() if path not in covered)
            return (*self._aliases, *rest)

    @property
    def paths(self) -> dict[str, str]:
        """Each name's path below the root; for people and scripts, never for a model."""
        with self._lock:
            return {**self._aliases, **self._found}

    def scan(self) -> None:
        """Look for files again.

        Raises:
            UserError: more files than a listing can hold.
        """
        found = {}
        skipped = 0
        for relative in self._files():
            try:
                resolve_media(relative, self._root)
            except MediaError:
                skipped += 1
                continue
            found[video_name(relative)] = relative
            if len(found) > _MAX_VIDEOS:
                raise UserError(
                    f"more than {_MAX_VIDEOS} videos lie below the root; serve a smaller folder"
                )
        with self._lock:
            self._found, self.skipped = found, skipped
            self._scanned_at = time.monotonic()

    def resolve(self, name: object) -> Path:
        """The file of that name, checked anew.

        Raises:
            ToolError: no such name, or the file may not be read; the text holds no path.
        """
        if not isinstance(name, str):
            raise ToolError(f"video={safe_text(repr(name), 80)} is not a name; give a text")
        relative = self._lookup(name)
        if relative is None and time.monotonic() - self._scanned_at > _RESCAN_S:
            self.scan()
            relative = self._lookup(name)
        if relative is None:
            raise ToolError(
                f"video={safe_text(repr(name), 80)} is not known; give a name you were told"
            )
        try:
            return resolve_media(relative, self._root)
        except MediaError:
            raise ToolError(f"video={name!r} is no longer available; give another name") from None

    def _lookup(self, name: str) -> str | None:
        with self._lock:
            return self._aliases.get(name) or self._found.get(name)

    def _files(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(folder, name)
                if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                    yield path.relative_to(self._root).as_posix()
