"""Turn loose patches into shards: few large files instead of many small ones.

Shards are complete and synced before the first loose file goes, so a kill at any moment loses
nothing; run again, it goes on.  Failures stay loose: their counts still change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ffr.patches.shard_format import image_names
from ffr.patches.shard_index import Entry, Kind
from ffr.patches.shard_writer import ShardWriter, write_shard_list
from ffr.patches.store import PatchStore
from ffr.patches.walk import Progress, loose_records

__all__ = ["DEFAULT_SHARD_BYTES", "CompactReport", "compact_store"]

DEFAULT_SHARD_BYTES = 1_000_000_000


@dataclass
class CompactReport:
    """What was done.

    Attributes:
        compacted: patches that went into a shard.
        already: loose patches that a shard held already.
        damaged: loose patches that could not be read whole; they stay, or are in quarantine.
        rejected: loose patches that a person rejected; they stay loose.
        removed: loose files that were deleted.
        shards: shards made.
    """

    compacted: int = 0
    already: int = 0
    damaged: int = 0
    rejected: int = 0
    removed: int = 0
    shards: list[str] = field(default_factory=list)


def compact_store(
    store: PatchStore,
    *,
    shard_bytes: int = DEFAULT_SHARD_BYTES,
    keep_loose: bool = False,
    progress: Progress = lambda _d, _t: None,
) -> CompactReport:
    """Move all loose patches into shards.

    Args:
        store: readers and writers may be at work; a reader on another machine may miss a patch
            for as long as its file system caches folders (seconds to a minute).
        shard_bytes: size at which a shard is closed.
        keep_loose: copy instead; a later call without it removes what is in shards.
        progress: called with (patches done, patches in all).

    Raises:
        StoreError: the disk is full or the folder is not writable.
    """
    report = CompactReport()
    keys = sorted(found.key for found in loose_records(store) if not found.failed)

    def published(entries: list[Entry]) -> None:
        for entry in () if keep_loose else entries:
            _remove(store, entry, report)

    writer = ShardWriter(store.shards.root, shard_bytes, published)
    try:
        for done, key in enumerate(keys, 1):
            _compact_one(store, key, writer, report, keep_loose=keep_loose)
            progress(done, len(keys))
        writer.flush()
    finally:
        writer.abandon()
    report.shards = [path.name for path in writer.written]
    if writer.written:
        write_shard_list(store.shards.root)
    return report


def _compact_one(
    store: PatchStore, key: str, writer: ShardWriter, report: CompactReport, *, keep_loose: bool
) -> None:
    record = store.get(key)
    if record is None or record.patch is None:
        rejected = record is not None and record.rejected
        report.rejected += rejected
        report.damaged += not rejected
        return
    found = store.shards.find(key, Kind.PATCH)
    if found is None:
        images = {sha: store.media.get(sha) for sha in image_names(record)}
        writer.add(key, record, images)
        report.compacted += 1
        return
    report.already += 1
    shard, entry = found
    loose = store.path(key)
    if keep_loose or not loose.exists() or loose.read_bytes() != shard.read(entry):
        return  # a differing loose record is the one in force
    _remove(store, entry, report)
    for sha in image_names(record):
        copy = store.shards.find(sha, Kind.IMAGE)
        image = store.media.path(sha)
        if copy and image.exists() and copy[0].read(copy[1]) == image.read_bytes():
            _remove(store, copy[1], report)


def _remove(store: PatchStore, entry: Entry, report: CompactReport) -> None:
    path = store.media.path(entry.name) if entry.kind is Kind.IMAGE else store.path(entry.name)
    if _unlink(path):
        report.removed += 1


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
