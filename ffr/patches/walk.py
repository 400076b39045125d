"""Everything a store holds, one after the other, for statistics, checks and transfers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ffr.patches.files import StoreError
from ffr.patches.record import CorruptRecordError, StoredDiagnosis, load_record
from ffr.patches.shard_index import Kind
from ffr.patches.store import PatchStore

__all__ = [
    "LooseRecord",
    "Progress",
    "all_keys",
    "all_records",
    "loose_images",
    "loose_records",
    "need_store",
    "temporary_files",
]


Progress = Callable[[int, int], None]
"""Called with (items done, items in all)."""
_RECORD = re.compile(r"([0-9a-f]{64})(\.failed)?\.json")
_IMAGE = re.compile(r"([0-9a-f]{64})(\.jpg)?")


@dataclass(frozen=True)
class LooseRecord:
    """A record file; ``failed`` tells those that say why there is no patch."""

    key: str
    path: Path
    failed: bool


def need_store(root: Path) -> PatchStore:
    """The store in an existing folder.

    Raises:
        StoreError: there is no store.
    """
    if not any((root / name).is_dir() for name in ("records", "shards")):
        raise StoreError(
            f"{root} holds no patch store (no records or shards folder); name the folder that "
            "store.path points to, for a run it is RUN_DIR/patches"
        )
    return PatchStore(root)


def loose_records(store: PatchStore) -> Iterator[LooseRecord]:
    """Every loose record file, by folder."""
    for path in _files(store.root / "records"):
        if match := _RECORD.fullmatch(path.name):
            yield LooseRecord(match[1], path, bool(match[2]))


def loose_images(store: PatchStore) -> Iterator[tuple[str, Path]]:
    """Every loose image as (SHA-256, path), quarantined ones excluded."""
    quarantine = store.media.root / "quarantine"
    for path in _files(store.media.root):
        if (match := _IMAGE.fullmatch(path.name)) and path.parent != quarantine:
            yield match[1], path


def temporary_files(store: PatchStore) -> Iterator[Path]:
    """Files a killed writer left behind, and files being written at this moment."""
    for folder in (store.root / "records", store.media.root, store.shards.root, store.reviews.root):
        for path in _files(folder):
            if path.name.startswith(".") and path.name.endswith(".tmp"):
                yield path


def all_keys(store: PatchStore) -> list[str]:
    """Every request key the store knows, sorted."""
    keys = {found.key for found in loose_records(store)}
    for kind in (Kind.PATCH, Kind.FAILURE):
        keys.update(entry.name for _, entry in store.shards.entries(kind))
    return sorted(keys)


def all_records(store: PatchStore) -> Iterator[tuple[str, StoredDiagnosis | None]]:
    """The record in force of every key, images unverified; ``None`` for one that is damaged.

    Nothing is moved to quarantine.
    """
    seen: set[bytes] = set()
    failures: list[LooseRecord] = []
    for found in loose_records(store):
        if found.failed:
            failures.append(found)
        else:
            seen.add(bytes.fromhex(found.key))
            yield found.key, _parse(found.key, _bytes(found.path))
    for key, data in _in_shards(store, Kind.PATCH):
        if bytes.fromhex(key) not in seen:
            seen.add(bytes.fromhex(key))
            yield key, _parse(key, data)
    for found in failures:
        if bytes.fromhex(found.key) not in seen:
            seen.add(bytes.fromhex(found.key))
            yield found.key, _parse(found.key, _bytes(found.path))
    for key, data in _in_shards(store, Kind.FAILURE):
        if bytes.fromhex(key) not in seen:
            seen.add(bytes.fromhex(key))
            yield key, _parse(key, data)


def _in_shards(store: PatchStore, kind: Kind) -> Iterator[tuple[str, bytes]]:
    for shard, entry in store.shards.entries(kind):
        yield entry.name, shard.read(entry)


def _parse(key: str, data: bytes) -> StoredDiagnosis | None:
    try:
        return load_record(key, data)
    except CorruptRecordError:
        return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # compacted or set aside a moment ago
        return b""
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error


def _files(root: Path) -> Iterator[Path]:
    """Files below ``root`` in a fixed order; folders that vanish meanwhile are passed over."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)
