"""Shards: compaction loses nothing, reads are alike, standard readers understand them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.patches.compact import compact_store
from ffr.patches.files import StoreError
from ffr.patches.record import StoredDiagnosis
from ffr.patches.shard_index import BadIndexError, Entry, Kind, ShardIndex, pack_index
from ffr.patches.shard_writer import ShardWriter
from ffr.patches.stats import store_stats
from ffr.patches.store import PatchStore
from ffr.patches.verify import verify_store
from ffr.patches.walk import all_keys, loose_images, loose_records


def everything(store: PatchStore) -> dict[str, StoredDiagnosis | None]:
    return {k: store.get(k) for k in all_keys(store)}


def test_compacted_and_loose_are_read_alike(store: PatchStore) -> None:
    before, digest = everything(store), verify_store(store).content_sha256
    report = compact_store(store, shard_bytes=2000)
    assert (report.compacted, report.already, report.damaged) == (4, 0, 0)
    assert len(report.shards) > 1
    assert [found.failed for found in loose_records(store)] == [True, True]
    assert list(loose_images(store)) == []
    for reader in (store, PatchStore(store.root), pickle.loads(pickle.dumps(store))):
        assert everything(reader) == before
    assert None not in before.values()
    after = verify_store(store)
    assert (after.problems, after.content_sha256) == ([], digest)


def test_a_reader_from_before_the_compaction_sees_the_shards(kit: Any, store: PatchStore) -> None:
    reader = PatchStore(store.root)
    before = everything(reader)
    compact_store(store)
    assert everything(reader) == before
    late = kit.patch_record(store, 9, shades=(2, 3))  # images that only shards hold
    assert list(loose_images(store)) == []
    store.put(kit.key(9), late)
    compact_store(store)
    assert reader.get(kit.key(9)) == late


def test_a_shard_that_another_thread_has_just_seen_is_not_missed(
    kit: Any, store: PatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = PatchStore(store.root)
    compact_store(store)
    old = time.time() - 60
    os.utime(store.shards.root, (old, old))
    refresh = reader.shards._refresh

    def after_the_other() -> None:
        refresh()
        refresh()

    monkeypatch.setattr(reader.shards, "_refresh", after_the_other)
    assert reader.get(kit.key(0)) is not None


def test_any_tar_reader_gets_whole_samples(kit: Any, store: PatchStore) -> None:
    compact_store(store)
    (path,) = store.shards.root.glob("*.tar")
    with tarfile.open(path) as tar:
        names = tar.getnames()
        member = tar.extractfile(f"{kit.key(1)}.1.jpg")
        assert member is not None
        assert member.read() == kit.jpeg(2)
        record = tar.extractfile(f"{kit.key(1)}.json")
        assert record is not None
        assert json.load(record)["record"]["question_id"] == "q1"
    assert names[:3] == [f"{kit.key(0)}.json", f"{kit.key(0)}.0.jpg", f"{kit.key(0)}.1.jpg"]
    listing = json.loads((store.shards.root / "shards.json").read_text())
    assert listing["__kind__"] == "wids-shard-index-v1"
    assert listing["shardlist"][0]["url"] == path.name
    assert listing["shardlist"][0]["nsamples"] == 4


def test_equal_stores_make_equal_shards(make_store: Callable[[str], PatchStore]) -> None:
    left, right = make_store("left"), make_store("right")
    assert compact_store(left).shards == compact_store(right).shards
    files = [sorted(s.shards.root.iterdir()) for s in (left, right)]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]


def test_a_killed_compaction_is_finished_by_the_next(store: PatchStore) -> None:
    before = everything(store)
    compact_store(store, keep_loose=True)  # as if killed before the loose files went
    (store.shards.root / ".shard.1.ab.tmp").write_bytes(b"half")
    orphan = store.shards.root / f"patches-{'0' * 24}.tar"
    orphan.write_bytes(b"no index yet")
    assert everything(PatchStore(store.root)) == before
    report = compact_store(store)
    assert (report.compacted, report.already) == (0, 4)
    assert [found.failed for found in loose_records(store)] == [True, True]
    assert list(loose_images(store)) == []
    assert everything(PatchStore(store.root)) == before


def test_a_patch_that_differs_from_its_shard_stays_loose(kit: Any, store: PatchStore) -> None:
    compact_store(store, keep_loose=True)
    store.path(kit.key(0)).unlink()
    other = kit.patch_record(store, 77, shades=(1,))
    writer = PatchStore(store.root.parent / "other")
    writer.media.put(kit.jpeg(1))
    writer.put(kit.key(0), other)
    shutil.copy(writer.path(kit.key(0)), store.path(kit.key(0)))
    compact_store(store)
    assert store.path(kit.key(0)).exists()
    assert PatchStore(store.root).get(kit.key(0)) == other


def test_damaged_shards_give_misses_and_are_mended(kit: Any, store: PatchStore) -> None:
    compact_store(store)
    (path,) = store.shards.root.glob("*.tar")
    data = path.read_bytes()
    at = data.index(b"number 2")
    path.write_bytes(data[:at] + b"X" + data[at + 1 :])
    reader = PatchStore(store.root)
    assert reader.get(kit.key(2)) is None
    assert reader.counters.corrupt == 1
    assert reader.get(kit.key(1)) is not None
    report = verify_store(reader)
    assert [p.kind for p in report.problems] == ["corrupt_shard"]
    assert path.exists()
    verify_store(reader, repair=True)
    mended = PatchStore(store.root)
    assert verify_store(mended).problems == []
    assert [mended.get(kit.key(n)) is not None for n in range(4)] == [True, True, False, True]
    assert len(list((store.root / "quarantine").iterdir())) == 2
    assert mended.put(kit.key(2), kit.patch_record(mended, 2, shades=(2, 3)))
    assert mended.get(kit.key(2)) is not None


def test_a_damaged_index_is_an_error_with_a_fix_and_made_anew(kit: Any, store: PatchStore) -> None:
    compact_store(store)
    (index,) = store.shards.root.glob("*.idx")
    whole = index.read_bytes()
    store.put(kit.key(9), kit.patch_record(store, 9, shades=(2,)))  # its image is in the shard
    index.write_bytes(whole[:-1])
    kinds = [p.kind for p in verify_store(PatchStore(store.root)).problems]
    assert kinds == ["bad_index", "missing_image"]
    with pytest.raises(StoreError, match="verify --repair"):
        PatchStore(store.root).get(kit.key(0))
    assert [p.kind for p in verify_store(PatchStore(store.root), repair=True).problems] == [
        "bad_index"
    ]
    assert index.read_bytes() == whole
    assert PatchStore(store.root).get(kit.key(0)) is not None


def test_a_shard_without_its_tar_is_an_error(kit: Any, store: PatchStore) -> None:
    compact_store(store)
    next(store.shards.root.glob("*.tar")).unlink()
    with pytest.raises(StoreError, match="is missing; copy the whole shards folder"):
        PatchStore(store.root).get(kit.key(0))


def test_the_index_finds_every_row_and_nothing_else(tmp_path: Path) -> None:
    entries = [Entry(f"{n * n:064x}", Kind(n % 3), n, n + 1) for n in range(500)]
    path = tmp_path / "i.idx"
    path.write_bytes(pack_index(reversed(entries)))
    index = ShardIndex(path)
    assert list(index) == sorted(entries)
    assert all(index.find(e.name, e.kind) == e for e in entries)
    assert index.find(f"{2:064x}", Kind.IMAGE) is None
    assert index.find(entries[4].name, Kind((4 + 1) % 3)) is None
    assert index.find("f" * 64, Kind.PATCH) is None
    path.write_bytes(b"")
    with pytest.raises(BadIndexError):
        ShardIndex(path)


def test_an_abandoned_shard_leaves_nothing(kit: Any, tmp_path: Path) -> None:
    store = kit.fill(PatchStore(tmp_path / "s"), 1, 0)
    record = store.get(kit.key(0))
    assert record is not None
    writer = ShardWriter(tmp_path / "out", 10**9)
    images = {f.image_sha256: store.media.get(f.image_sha256) for f in record.patch.frames}  # type: ignore[union-attr]
    writer.add(kit.key(0), record, images)
    writer.abandon()
    assert list((tmp_path / "out").iterdir()) == []


def test_statistics_count_loose_and_compacted(store: PatchStore) -> None:
    loose = store_stats(store, pixels=True)
    assert (loose.patches, loose.failures, loose.attempts) == (4, {"leak": 2}, 2)
    assert loose.size["frames"] == {"mean": 2.0, "median": 2.0, "max": 2}
    assert loose.size["pixels"]["max"] == 96
    assert loose.size["regions"]["mean"] == 1.0
    assert loose.tools == {"clip": (8, 4)}
    assert loose.error_types == {"temporal": 4}
    assert loose.loose["images"] == 5
    compact_store(store)
    compacted = store_stats(store, pixels=True)
    assert compacted.size == loose.size
    assert (compacted.patches, compacted.failures) == (4, {"leak": 2})
    assert (compacted.loose["images"], compacted.shards["images"]) == (0, 5)
