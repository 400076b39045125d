"""Compacted patches, read at random: ``<root>/shards/<name>.tar`` with ``<name>.idx`` beside it.

A shard is immutable and appears by its index, which is written last.  Other processes may add
shards at any time, so a miss looks at the folder again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ffr.patches.files import StoreError
from ffr.patches.shard_index import Entry, Kind, ShardIndex

__all__ = ["Shard", "ShardSet"]

_SETTLED_NS = 2_000_000_000
"""A folder changed less than this before it was listed may change again within its clock tick."""
_MEND = "copy the whole shards folder again, or run `ffr cache verify --repair`"


class Shard:
    """One tar file with its index.

    Raises:
        StoreError: one of the two files is missing or damaged.
    """

    def __init__(self, index_path: Path) -> None:
        self.index_path = index_path
        self.path = index_path.with_suffix(".tar")
        try:
            self.index = ShardIndex(index_path)
            if not self.path.is_file():
                raise StoreError(f"shard {self.path} is missing; {_MEND}")
        except OSError as error:
            raise StoreError.from_os_error("read", index_path, error) from error

    def find(self, name: str, kind: Kind) -> Entry | None:
        """The byte range of a record or image.

        Raises:
            StoreError: the index cannot be read.
        """
        try:
            return self.index.find(name, kind)
        except OSError as error:
            raise StoreError.from_os_error("read", self.index_path, error) from error

    def read(self, entry: Entry) -> bytes:
        """The bytes of a row, unverified; shorter than the row says when the shard is torn.

        Raises:
            StoreError: the shard cannot be read.
        """
        try:
            # Opened for each read: a large store has more shards than a process may hold open.
            with self.path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), entry.size, entry.offset)
        except OSError as error:
            raise StoreError.from_os_error("read", self.path, error) from error


class ShardSet:
    """All shards under ``root`` (``<store>/shards``); safe for threads, forks and pickling."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shards: dict[str, Shard] = {}
        self._seen: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> Path:
        return self.root

    def __setstate__(self, root: Path) -> None:
        ShardSet.__init__(self, root)

    def read(self, name: str, kind: Kind) -> bytes | None:
        """Bytes of a record (by request key) or image (by SHA-256), unverified, or ``None``.

        Raises:
            StoreError: a shard is damaged or cannot be read.
        """
        found = self.find(name, kind)
        return None if found is None else found[0].read(found[1])

    def find(self, name: str, kind: Kind) -> tuple[Shard, Entry] | None:
        """The shard and row of a hash; looks for new shards before it gives up.

        Raises:
            StoreError: a shard is damaged or cannot be read.
        """
        while True:
            known = self._shards
            for shard in known.values():
                entry = shard.find(name, kind)
                if entry is not None:
                    return shard, entry
            self._refresh()
            if self._shards is known:
                return None

    def shards(self) -> list[Shard]:
        """All shards of this moment, by name.

        Raises:
            StoreError: a shard is damaged or cannot be read.
        """
        self._refresh()
        return list(self._shards.values())

    def entries(self, kind: Kind) -> Iterator[tuple[Shard, Entry]]:
        """Every row of a kind, shard by shard; a hash may come from several shards."""
        for shard in self.shards():
            for entry in shard.index:
                if entry.kind is kind:
                    yield shard, entry

    def _refresh(self) -> None:
        """Look at the folder if it has changed; a changed table is a new object."""
        try:
            # Opening a folder makes NFS ask the server how old it is; a bare stat may not.
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError.from_os_error("read", self.root, error) from error
        with self._lock:
            try:
                status = os.fstat(descriptor)
                now = (status.st_ino, status.st_mtime_ns)
                if now == self._seen:
                    return
                names = {p.name for p in self.root.iterdir() if p.suffix == ".idx"}
            except OSError as error:
                raise StoreError.from_os_error("read", self.root, error) from error
            finally:
                os.close(descriptor)
            known = self._shards
            if names != known.keys():
                # Sorted: every process finds a key that is in two shards in the same one.
                self._shards = {n: known.get(n) or Shard(self.root / n) for n in sorted(names)}
            settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
            self._seen = now if settled else None
