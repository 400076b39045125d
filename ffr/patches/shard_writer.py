"""Write shards: temporary file, sync, name by content, index last."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ffr.patches.files import StoreError, sync_folder, write_atomic
from ffr.patches.record import StoredDiagnosis
from ffr.patches.shard_format import write_sample
from ffr.patches.shard_index import Entry, Kind, ShardIndex, pack_index
from ffr.patches.tar_stream import TarSink

__all__ = ["ShardWriter", "file_sha256", "shard_name", "write_shard_list"]

SHARD_LIST = "shards.json"


def file_sha256(file: BinaryIO) -> str:
    """SHA-256 in hex of a whole file."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def shard_name(sha256: str) -> str:
    """File name without suffix of the shard with this SHA-256."""
    return f"patches-{sha256[:24]}"


@dataclass
class _OpenShard:
    path: Path
    file: BinaryIO
    sink: TarSink
    entries: list[Entry] = field(default_factory=list)


class ShardWriter:
    """Fills shards of about ``shard_bytes`` in ``folder``; equal samples make equal shards.

    Args:
        folder: made if needed.
        shard_bytes: a shard is closed once it is at least this large.
        published: called with the index rows of a shard when it can be read.
    """

    def __init__(
        self,
        folder: Path,
        shard_bytes: int,
        published: Callable[[list[Entry]], None] = lambda _entries: None,
    ) -> None:
        self.folder = folder
        self.written: list[Path] = []
        """Shards made so far."""
        self._shard_bytes = shard_bytes
        self._published = published
        self._shard: _OpenShard | None = None

    def add(self, key: str, record: StoredDiagnosis, images: Mapping[str, bytes]) -> None:
        """Append a diagnosis with all its images.

        Raises:
            StoreError: the disk is full or the folder is not writable.
        """
        try:
            shard = self._shard = self._shard or self._open()
            shard.entries += write_sample(shard.sink, key, record, images)
        except OSError as error:
            raise StoreError.from_os_error("write a shard in", self.folder, error) from error
        if shard.sink.size >= self._shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Publish what was added since the last shard.

        Raises:
            StoreError: the disk is full or the folder is not writable.
        """
        shard = self._shard
        if shard is None:
            return
        try:
            shard.sink.finish()
            shard.file.flush()
            os.fsync(shard.file.fileno())
            path = self.folder / f"{shard_name(file_sha256(shard.file))}.tar"
            shard.file.close()
            shard.path.replace(path)
            sync_folder(self.folder)
        except OSError as error:
            raise StoreError.from_os_error("write a shard in", self.folder, error) from error
        self._shard = None
        write_atomic(path.with_suffix(".idx"), pack_index(shard.entries))
        self.written.append(path)
        self._published(shard.entries)

    def abandon(self) -> None:
        """Throw away what was not published; safe to call at any time."""
        if self._shard is not None:
            self._shard.file.close()
            self._shard.path.unlink(missing_ok=True)
            self._shard = None

    def _open(self) -> _OpenShard:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f".shard.{os.getpid()}.{secrets.token_hex(6)}.tmp"
        file = path.open("x+b")
        return _OpenShard(path, file, TarSink(file))


def write_shard_list(folder: Path) -> None:
    """Write ``shards.json``: names and sample counts, as WebDataset's indexed readers expect.

    Our own reader does not need it.

    Raises:
        StoreError: the folder cannot be read or written.
    """
    shards = []
    for path in sorted(folder.glob("*.idx")):
        index = ShardIndex(path)
        samples = sum(entry.kind is not Kind.IMAGE for entry in index)
        tar = path.with_suffix(".tar")
        shards.append({"url": tar.name, "nsamples": samples, "filesize": tar.stat().st_size})
        index.close()
    listing = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
    write_atomic(folder / SHARD_LIST, json.dumps(listing, indent=2).encode() + b"\n")
