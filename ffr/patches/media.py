"""Images by content: what the ``image_sha256`` of a patch frame points to.

Layout: ``<root>/aa/bb/<sha256>.jpg`` for JPEG, without suffix for anything else.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ffr.patches.files import StoreError, move_to_quarantine, shard_path, write_atomic

__all__ = ["CorruptMediaError", "MediaStore", "MissingMediaError"]

_JPEG_MAGIC = b"\xff\xd8\xff"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class MissingMediaError(StoreError):
    """No image of this hash is stored."""


class CorruptMediaError(StoreError):
    """An image's bytes no longer match its name; it has been moved to quarantine."""


class MediaStore:
    """Write-once store of encoded images under ``root``; safe for many writers."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.corrupt = 0
        """Files this object found corrupt and moved to quarantine."""

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
        if path.exists():
            try:
                if path.read_bytes() == data:
                    return sha
            except OSError as error:
                raise StoreError.from_os_error("read", path, error) from error
            self._quarantine(path)
        write_atomic(path, data)
        return sha

    def get(self, sha: str) -> bytes:
        """Bytes of the image with this SHA-256, verified.

        Raises:
            ValueError: ``sha`` is not 64 lower-case hex digits.
            MissingMediaError: nothing is stored under it.
            CorruptMediaError: the content does not match; the file is now in quarantine.
        """
        path = self.path(sha)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise MissingMediaError(
                f"image {sha} is not in {self.root}; copy the store's media folder along with "
                "its records, or make the patch again"
            ) from None
        except OSError as error:
            raise StoreError.from_os_error("read", path, error) from error
        if hashlib.sha256(data).hexdigest() != sha:
            self._quarantine(path)
            raise CorruptMediaError(
                f"image {path} does not match its name (corrupt); it was moved to "
                f"{self.root / 'quarantine'}; make the patch again"
            )
        return data

    def path(self, sha: str) -> Path:
        """Where the image lies (or would lie); for links in reports. Does not verify it.

        Raises:
            ValueError: ``sha`` is not 64 lower-case hex digits.
        """
        if not _SHA256.fullmatch(sha):
            raise ValueError(f"sha={sha!r} is not a SHA-256; give 64 lower-case hex digits")
        jpeg = shard_path(self.root, sha, ".jpg")
        plain = shard_path(self.root, sha)
        return plain if not jpeg.exists() and plain.exists() else jpeg

    def __contains__(self, sha: str) -> bool:
        return self.path(sha).exists()

    def _quarantine(self, path: Path) -> None:
        self.corrupt += 1
        move_to_quarantine(path, self.root)
