"""Garbage collection: old leftovers go, what a record names stays, young files stay."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ffr.patches.compact import compact_store
from ffr.patches.gc import collect_garbage
from ffr.patches.patch import NoPatch
from ffr.patches.record import StoredDiagnosis, dump_record
from ffr.patches.store import PatchStore
from ffr.patches.verify import verify_store
from ffr.patches.walk import all_keys, loose_images

HOUR = 3600.0


def age(root: Path, hours: float) -> None:
    """Make every file of a store this old."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (0, time.time() - hours * HOUR))


def test_old_garbage_goes_and_nothing_else(kit: Any, store: PatchStore) -> None:
    before = verify_store(store).content_sha256
    orphan = store.media.put(kit.jpeg(200))
    left = store.path(kit.key(0)).with_name(".x.json.host.1.ab.tmp")
    left.write_bytes(b"half")
    shard = store.root / "shards" / f"patches-{'0' * 24}.tar"
    shard.parent.mkdir()
    shard.write_bytes(b"x" * 10)
    stale = StoredDiagnosis(failure=NoPatch(reason="timeout"), attempts=1)
    store.path(kit.key(1), failed=True).write_bytes(dump_record(kit.key(1), stale))
    age(store.root, 30)
    files = sorted(store.root.rglob("*"))
    planned = collect_garbage(store, grace_s=24 * HOUR, dry_run=True)
    assert sorted(store.root.rglob("*")) == files
    report = collect_garbage(store, grace_s=24 * HOUR)
    expected = {"orphan_image": 1, "temporary": 1, "orphan_shard": 1, "superseded_failure": 1}
    assert dict(report.files) == expected == dict(planned.files)
    assert report.bytes["orphan_shard"] == 10
    assert orphan not in store.media
    after = verify_store(store)
    assert (after.problems, after.content_sha256) == ([], before)
    assert not collect_garbage(store, grace_s=0).files


def test_the_grace_age_protects_what_is_being_written(kit: Any, store: PatchStore) -> None:
    orphan = store.media.put(kit.jpeg(200))
    temporary = store.path(kit.key(0)).with_name(".x.json.host.1.ab.tmp")
    temporary.write_bytes(b"half")
    age(store.root, 23)
    assert not collect_garbage(store, grace_s=24 * HOUR).files
    age(store.root, 25)
    store.media.put(kit.jpeg(200))  # about to be named by a new record
    assert dict(collect_garbage(store, grace_s=24 * HOUR).files) == {"temporary": 1}
    assert orphan in store.media
    assert not temporary.exists()


def test_images_of_damaged_and_quarantined_records_stay(kit: Any, store: PatchStore) -> None:
    torn = store.path(kit.key(0))
    torn.write_bytes(torn.read_bytes()[:-1] + b"?")
    changed = store.path(kit.key(3))
    changed.write_bytes(changed.read_bytes().replace(b"number", b"Number"))
    assert store.get(kit.key(3)) is None
    images = {sha for sha, _ in loose_images(store)}
    age(store.root, 30)
    assert not collect_garbage(store, grace_s=24 * HOUR).files
    assert {sha for sha, _ in loose_images(store)} == images
    report = collect_garbage(store, grace_s=24 * HOUR, quarantine_s=24 * HOUR)
    assert report.files["quarantined"] == 1


def test_images_that_a_later_record_takes_from_loose_files_stay(kit: Any, tmp_path: Path) -> None:
    store = kit.fill(PatchStore(tmp_path), 2, 0)
    compact_store(store, keep_loose=True)
    age(store.root, 30)
    collect_garbage(store, grace_s=HOUR)
    assert all(store.get(key) is not None for key in all_keys(store))
    assert len(list(loose_images(store))) == 3


def test_a_killed_collection_is_undone(kit: Any, store: PatchStore) -> None:
    sha, path = next(loose_images(store))
    path.replace(path.with_name(f".{path.name}.12.abcd.gc.tmp"))
    assert not collect_garbage(store, grace_s=24 * HOUR).files
    assert sha in store.media
    assert verify_store(store).problems == []


def test_an_image_made_young_in_the_last_moment_stays(
    kit: Any, store: PatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = store.media.put(kit.jpeg(200))
    path = store.media.path(sha)
    age(store.root, 30)
    move = Path.replace

    def touched_first(self: Path, target: Path) -> Path:
        if self == path:
            os.utime(self)
        return move(self, target)

    monkeypatch.setattr(Path, "replace", touched_first)
    assert not collect_garbage(store, grace_s=24 * HOUR).files
    assert store.media.get(sha) == kit.jpeg(200)


def test_a_negative_grace_is_refused(store: PatchStore) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        collect_garbage(store, grace_s=-1)
