"""Images kept on the node's own disk, in front of a store on shared storage.

Only images: they are the bulk of the bytes and never change.  Records are always read from the
store, so a new patch, a retry count or a quarantined record is seen at once.  Losing the cache
costs time only, therefore nothing is synced and no error of it ends a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path

from ffr.patches.files import shard_path

__all__ = ["LocalCache"]

_TOUCH_AFTER_S = 60.0
_LOW_WATER = 0.9
_SCANS_PER_FILL = 20


class LocalCache:
    """Least recently used images under ``root``, shared by all processes of a node.

    Args:
        root: folder on a local disk.
        max_bytes: the folder is trimmed when it grows past this (it may be exceeded by a
            twentieth per writing process).
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self.hits = 0
        self.misses = 0
        self.errors = 0
        """Reads and writes that failed, damaged files included."""
        self._unscanned = max_bytes  # so that the first write looks at what is there

    def get(self, sha: str) -> bytes | None:
        """The image with this SHA-256, verified, or ``None``."""
        path = shard_path(self.root, sha)
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != sha:
                path.unlink(missing_ok=True)
                self.errors += 1
                data = b""
            elif time.time() - path.stat().st_mtime > _TOUCH_AFTER_S:
                os.utime(path)
        except FileNotFoundError:
            data = b""
        except OSError:
            self.errors += 1
            data = b""
        self.hits += bool(data)
        self.misses += not data
        return data or None

    def put(self, sha: str, data: bytes) -> None:
        """Keep an image; failing to is counted."""
        path = shard_path(self.root, sha)
        temporary = path.with_name(f".{os.getpid()}.{secrets.token_hex(6)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(data)
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        except OSError:
            self.errors += 1
            return
        self._unscanned += len(data)
        if self._unscanned > self.max_bytes / _SCANS_PER_FILL:
            self._unscanned = 0
            self._trim()

    def _trim(self) -> None:
        files: list[tuple[float, int, str]] = []
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - a million of them
                with contextlib.suppress(OSError):
                    status = os.stat(path)  # noqa: PTH116
                    files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self.max_bytes:
            return
        for _, size, path in sorted(files):
            with contextlib.suppress(OSError):
                Path(path).unlink()
            total -= size
            if total <= self.max_bytes * _LOW_WATER:
                return
