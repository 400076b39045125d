"""Where everything in a shard lies: a sorted table beside it, searched without loading it.

File: 8 bytes magic, 8 bytes row count, then 48-byte rows sorted by (hash, kind): 32 bytes hash,
1 byte kind, 7 bytes size, 8 bytes offset; numbers are big-endian, sizes and offsets in bytes.
An index is derived from its shard and can always be made again.
"""

from __future__ import annotations

import enum
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ffr.patches.files import StoreError

__all__ = ["BadIndexError", "Entry", "Kind", "ShardIndex", "pack_index"]

_MAGIC = b"ffrindx1"
_HEAD = struct.Struct(">8sQ")
_ROW = 48
_MEND = "copy the whole shards folder again, or run `ffr cache verify --repair`"


class BadIndexError(StoreError):
    """The file is no index of ours, or it is torn."""


class Kind(enum.IntEnum):
    """What a row points to; records of one key with a patch sort before those without."""

    PATCH = 0
    FAILURE = 1
    IMAGE = 2


@dataclass(frozen=True, order=True)
class Entry:
    """One row: hex hash (request key, or SHA-256 of an image), kind, byte range in the shard."""

    name: str
    kind: Kind
    offset: int
    size: int


def pack_index(entries: Iterable[Entry]) -> bytes:
    """The index file of these entries; of equal hashes and kinds the first in the shard stays."""
    rows: list[bytes] = []
    last: tuple[str, Kind] | None = None
    for entry in sorted(entries):
        if (entry.name, entry.kind) != last:
            last = (entry.name, entry.kind)
            rows.append(
                bytes.fromhex(entry.name)
                + bytes([entry.kind])
                + entry.size.to_bytes(7)
                + entry.offset.to_bytes(8)
            )
    return _HEAD.pack(_MAGIC, len(rows)) + b"".join(rows)


class ShardIndex:
    """An index file, searched in place.

    Read with ``pread``, not mapped: a mapped file that vanishes from a shared file system kills
    the process, a read only fails.

    Raises:
        BadIndexError: it is none, or its length does not fit its row count.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        head = self._file.read(_HEAD.size)
        magic, count = _HEAD.unpack(head) if len(head) == _HEAD.size else (b"", 0)
        self._count = int(count)
        expected = _HEAD.size + self._count * _ROW
        if magic != _MAGIC or os.fstat(self._file.fileno()).st_size != expected:
            self._file.close()
            raise BadIndexError(f"{path} is torn or no shard index; {_MEND}")

    def __len__(self) -> int:
        return self._count

    def find(self, name: str, kind: Kind) -> Entry | None:
        """The row of a hex hash, found by bisection.

        Raises:
            BadIndexError: the file has changed under our hands.
        """
        wanted = bytes.fromhex(name) + bytes([kind])
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self._row(middle)[: len(wanted)] < wanted:
                low = middle + 1
            else:
                high = middle
        if low < self._count and (row := self._row(low)).startswith(wanted):
            return _unpack(row)
        return None

    def __iter__(self) -> Iterator[Entry]:
        per_read = 4096
        for start in range(0, self._count, per_read):
            rows = self._read(start, min(per_read, self._count - start))
            for at in range(0, len(rows), _ROW):
                yield _unpack(rows[at : at + _ROW])

    def close(self) -> None:
        """Free the file."""
        self._file.close()

    def _row(self, number: int) -> bytes:
        return self._read(number, 1)

    def _read(self, start: int, count: int) -> bytes:
        rows = os.pread(self._file.fileno(), count * _ROW, _HEAD.size + start * _ROW)
        if len(rows) != count * _ROW:
            raise BadIndexError(f"{self._path} was cut short; {_MEND}")
        return rows


def _unpack(row: bytes) -> Entry:
    try:
        kind = Kind(row[32])
    except ValueError as error:
        raise BadIndexError(f"a row of a shard index is damaged; {_MEND}") from error
    return Entry(row[:32].hex(), kind, int.from_bytes(row[40:]), int.from_bytes(row[33:40]))
