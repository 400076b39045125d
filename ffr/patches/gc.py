"""Remove what no record needs: leftovers of killed writers and images nobody names.

Safe beside writers: only files older than a grace age are touched, and ``MediaStore.put`` makes
an image young again when it is stored anew.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ffr.patches.files import StoreError
from ffr.patches.record import CorruptRecordError, load_record
from ffr.patches.shard_format import image_names
from ffr.patches.store import PatchStore
from ffr.patches.walk import Progress, loose_images, loose_records, temporary_files

__all__ = ["GcReport", "collect_garbage"]

_ASIDE = ".gc.tmp"
_HASH = re.compile(rb"[0-9a-f]{64}")


@dataclass
class GcReport:
    """Files removed (or, in a dry run, to be removed) and their bytes, by kind.

    Kinds: ``temporary``, ``orphan_image``, ``orphan_shard`` (without an index),
    ``superseded_failure`` (a patch was found later), ``quarantined``.
    """

    files: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)


def collect_garbage(
    store: PatchStore,
    *,
    grace_s: float,
    quarantine_s: float | None = None,
    dry_run: bool = False,
    progress: Progress = lambda _d, _t: None,
) -> GcReport:
    """Remove old garbage; what any record names, damaged ones included, always stays.

    Args:
        store: the store.
        grace_s: least age in seconds of what is removed.  At least two hours while anything
            writes into the store; less is for a store at rest.
        quarantine_s: also remove quarantined files older than this.
        dry_run: only count.
        progress: called with (candidates done, candidates in all).

    Raises:
        StoreError: a file cannot be read or removed.
    """
    if grace_s < 0:
        raise ValueError(f"grace_s={grace_s} is not allowed; give at least 0")
    return _Collection(store, grace_s, dry_run, progress).run(quarantine_s)


class _Collection:
    def __init__(
        self, store: PatchStore, grace_s: float, dry_run: bool, progress: Progress
    ) -> None:
        self.store = store
        self.report = GcReport()
        self._limit = time.time() - grace_s
        self._dry_run = dry_run
        self._progress = progress

    def run(self, quarantine_s: float | None) -> GcReport:
        try:
            for path in temporary_files(self.store):
                if path.name.endswith(_ASIDE) and not self._dry_run:
                    _put_back(path)
                else:
                    self._remove("temporary", path, self._limit)
            for path in self.store.shards.root.glob("patches-*.tar"):
                if not path.with_suffix(".idx").exists():
                    self._remove("orphan_shard", path, self._limit)
            self._images()
            self._failures()
            if quarantine_s is not None:
                limit = time.time() - quarantine_s
                for path in _quarantined(self.store):
                    self._remove("quarantined", path, limit)
        except OSError as error:
            raise StoreError.from_os_error("clean", self.store.root, error) from error
        return self.report

    def _images(self) -> None:
        # Candidates first, references afterwards: a record that appears between the two is seen.
        old = [
            (sha, path)
            for sha, path in loose_images(self.store)
            if _age_time(path, self._limit) < self._limit
        ]
        if not old:
            return
        named = self._named()
        for done, (sha, path) in enumerate(old, 1):
            self._progress(done, len(old))
            if bytes.fromhex(sha) not in named:
                self._remove("orphan_image", path, self._limit)

    def _named(self) -> set[bytes]:
        """SHA-256 of every image that a record names, wherever and in whatever state it is."""
        named: set[bytes] = set()
        for shard in self.store.shards.shards():
            named.update(bytes.fromhex(entry.name) for entry in shard.index)
        for path in (*(found.path for found in loose_records(self.store)), *self._set_aside()):
            data = _read(path)
            try:
                names = image_names(load_record(path.name[:64], data))
                named.update(bytes.fromhex(sha) for sha in names)
            except CorruptRecordError:
                # It may be mended by hand: whatever looks like a hash in it counts.
                named.update(bytes.fromhex(h.decode()) for h in _HASH.findall(data))
        return named

    def _set_aside(self) -> Iterator[Path]:
        yield from (p for p in (self.store.root / "quarantine").glob("*.json.*") if p.is_file())

    def _failures(self) -> None:
        for found in loose_records(self.store):
            if found.failed and _age_time(found.path, self._limit) < self._limit:
                record = self.store.get(found.key)
                if record is not None and record.patch is not None:
                    self._remove("superseded_failure", found.path, self._limit)

    def _remove(self, kind: str, path: Path, limit: float) -> None:
        try:
            status = path.stat()
            if status.st_mtime >= limit:
                return
            if not self._dry_run:
                # Moved first: a writer that stores the image again either made it young in time,
                # or no longer finds it and writes it anew.
                aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{_ASIDE}")
                path.replace(aside)
                if aside.stat().st_mtime >= limit:
                    aside.replace(path)
                    return
                aside.unlink()
        except FileNotFoundError:
            return  # another process was faster
        self.report.files[kind] += 1
        self.report.bytes[kind] += status.st_size


def _quarantined(store: PatchStore) -> Iterator[Path]:
    for root in (store.root, store.media.root):
        yield from (p for p in (root / "quarantine").glob("*") if p.is_file())


def _put_back(aside: Path) -> None:
    """Undo the move of a collection that was killed; the file is judged anew."""
    original = aside.with_name(aside.name[1:].removesuffix(_ASIDE).rsplit(".", 2)[0])
    try:
        if original.exists():
            aside.unlink()
        else:
            aside.replace(original)
    except FileNotFoundError:
        return  # another collection was faster


def _age_time(path: Path, missing: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return missing


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
