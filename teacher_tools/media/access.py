"""From a name that a data set or a person gave to a file that may be opened.

Models never name files; data sets do, and are not trusted either (spec video_io §7).
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from teacher_tools.media.errors import MediaNotAllowedError, MediaNotFoundError

__all__ = ["MAX_FILE_BYTES", "content_id", "resolve_media"]

MAX_FILE_BYTES = 64 * 2**30
_CHUNK_BYTES = 2**20
_MAX_SHOWN = 200
_content_ids: dict[tuple[str, int, int], str] = {}


def resolve_media(video: str, root: Path, *, max_bytes: int = MAX_FILE_BYTES) -> Path:
    """Return the real path of ``video``, a file below ``root``.

    Args:
        video: path relative to ``root``; an absolute path is accepted when it lies below it.
        root: folder that holds all media of a data set.
        max_bytes: size limit in bytes.

    Raises:
        MediaNotFoundError: nothing is there, or it cannot be looked up.
        MediaNotAllowedError: outside ``root`` (links followed), not a regular file, unreadable,
            or above ``max_bytes``.
    """
    shown = f"video={video[:_MAX_SHOWN]!r}"
    if not video or "\0" in video:
        raise MediaNotFoundError(f"{shown} is not a file name; give a path below the media root")
    try:
        real_root = root.resolve(strict=True)
        path = (real_root / video).resolve()
        if not path.is_relative_to(real_root):  # told before whether anything is there
            raise MediaNotAllowedError(
                f"{shown} leads outside the media root; move the file below it"
            )
        status = path.stat()
    except (OSError, RuntimeError, UnicodeError) as error:  # RuntimeError: a loop of links
        raise MediaNotFoundError(
            f"{shown} does not exist below the media root; check the name and the root"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaNotAllowedError(f"{shown} is not a regular file; name a video file")
    if status.st_size > max_bytes:
        raise MediaNotAllowedError(
            f"{shown} has {status.st_size} bytes; at most {max_bytes} are allowed, cut it"
        )
    if not os.access(path, os.R_OK):
        raise MediaNotAllowedError(f"{shown} may not be read; change the file's permissions")
    return path


def content_id(path: Path) -> str:
    """SHA-256 (hex) of the file's bytes; remembered per (path, size, mtime) in this process.

    Raises:
        MediaNotFoundError: the file cannot be read.
    """
    try:
        status = path.stat()
        key = (os.fspath(path), status.st_size, status.st_mtime_ns)
        known = _content_ids.get(key)
        if known is not None:
            return known
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise MediaNotFoundError(
            f"video {path.name!r} cannot be read ({error.strerror}); check the file"
        ) from error
    return _content_ids.setdefault(key, digest.hexdigest())
