"""Images by content: what the ``image_sha256`` of a patch frame points to.

Layout: ``<root>/aa/bb/<sha256>.jpg`` for JPEG, without suffix for anything else.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

from ffr.patches.files import StoreError, move_to_quarantine, shard_path, write_atomic
from ffr.patches.local_cache import LocalCache
from ffr.patches.shard_index import Kind
from ffr.patches.shards import ShardSet

__all__ = ["TOUCH_AFTER_S", "CorruptMediaError", "MediaStore", "MissingMediaError"]

TOUCH_AFTER_S = 3600.0
"""Age in seconds at which an image that is stored again gets a new modification time."""

_JPEG_MAGIC = b"\xff\xd8\xff"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class MissingMediaError(StoreError):
    """No image of this hash is stored."""


class CorruptMediaError(StoreError):
    """An image's bytes no longer match its name; it has been moved to quarantine."""


class MediaStore:
    """Write-once store of encoded images under ``root``; safe for many writers.

    Args:
        root: folder of the loose images.
        shards: compacted images, looked at when there is no loose one.
        cache: images kept on this node's own disk.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        shards: ShardSet | None = None,
        cache: LocalCache | None = None,
    ) -> None:
        self.root = Path(root)
        self.cache = cache
        self.corrupt = 0
        """Files this object found corrupt and moved to quarantine."""
        self._shards = shards

    def put(self, data: bytes) -> str:
        """Store ``data`` and return its SHA-256 in hex.  Storing it again costs one read.

        A file of that name with other content (a torn write, bit rot) is quarantined and
        written anew.

        Raises:
            ValueError: ``data`` is empty.
            StoreError: the disk is full or the folder is not writable.
        """
        if not data:
            raise ValueError("data is empty; give the encoded bytes of one image")
        sha = hashlib.sha256(data).hexdigest()
        path = shard_path(self.root, sha, ".jpg" if data.startswith(_JPEG_MAGIC) else "")
        try:
            if path.read_bytes() == data:
                _keep_young(path)
                return sha
            self.corrupt += 1
            move_to_quarantine(path, self.root)
        except FileNotFoundError:
            if self._compacted(sha) == data:
                return sha
        except OSError as error:
            raise StoreError.from_os_error("write", path, error) from error
        write_atomic(path, data)
        return sha

    def get(self, sha: str) -> bytes:
        """Bytes of the image with this SHA-256, verified.

        Raises:
            ValueError: ``sha`` is not 64 lower-case hex digits.
            MissingMediaError: nothing is stored under it.
            CorruptMediaError: the content does not match; a loose file is now in quarantine.
            StoreError: the disk fails.
        """
        path = self.path(sha)
        data = self.cache.get(sha) if self.cache is not None else None
        if data is not None:
            return data
        data, damaged = self._search(sha, path)
        if data is None and damaged:
            raise CorruptMediaError(
                f"image {sha} does not match its name (corrupt); a loose one was moved to "
                f"{self.root / 'quarantine'}, for one in a shard run `ffr cache verify --repair`; "
                "make the patch again"
            )
        if data is None:
            raise MissingMediaError(
                f"image {sha} is not in {self.root}; copy the store's media and shards folders "
                "along with its records, or make the patch again"
            )
        if self.cache is not None:
            self.cache.put(sha, data)
        return data

    def path(self, sha: str) -> Path:
        """Where the loose image lies (or would lie); for links in reports. Does not verify it.

        Raises:
            ValueError: ``sha`` is not 64 lower-case hex digits.
        """
        if not _SHA256.fullmatch(sha):
            raise ValueError(f"sha={sha!r} is not a SHA-256; give 64 lower-case hex digits")
        jpeg = shard_path(self.root, sha, ".jpg")
        plain = shard_path(self.root, sha)
        return plain if not jpeg.exists() and plain.exists() else jpeg

    def __contains__(self, sha: str) -> bool:
        if self.path(sha).exists():
            return True
        return self._shards is not None and self._shards.find(sha, Kind.IMAGE) is not None

    def _search(self, sha: str, path: Path) -> tuple[bytes | None, bool]:
        """A sound copy, loose or compacted, and whether a damaged one was met."""
        damaged = False
        try:
            data: bytes | None = path.read_bytes()
        except FileNotFoundError:
            data = None
        except OSError as error:
            raise StoreError.from_os_error("read", path, error) from error
        if data is not None and not _matches(data, sha):
            move_to_quarantine(path, self.root)
            data, damaged = None, True
        if data is None:
            data = self._compacted(sha)
            if data is not None and not _matches(data, sha):
                data, damaged = None, True
        self.corrupt += damaged
        return data, damaged

    def _compacted(self, sha: str) -> bytes | None:
        return None if self._shards is None else self._shards.read(sha, Kind.IMAGE)


def _matches(data: bytes, sha: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha


def _keep_young(path: Path) -> None:
    """Tell ``ffr cache gc`` that the image is about to be named by a record.

    Raises:
        FileNotFoundError: gc was faster.
    """
    if time.time() - path.stat().st_mtime > TOUCH_AFTER_S:
        os.utime(path)
