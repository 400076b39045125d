"""The node's own cache: read through, verified, bounded, and never the reason for a failure."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.patches.compact import compact_store
from ffr.patches.local_cache import LocalCache
from ffr.patches.media import MediaStore
from ffr.patches.store import PatchStore, local_image_cache
from ffr.teacher.build import build_teacher
from ffr.teacher.stored import StoredTeacher


def files_under(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file()]


def test_the_second_read_of_an_image_is_local(kit: Any, store: PatchStore, tmp_path: Path) -> None:
    cache = LocalCache(tmp_path / "local", 10**6)
    reader = PatchStore(store.root, cache=cache)
    first = reader.get(kit.key(0))
    assert (cache.hits, cache.misses) == (0, 2)
    shutil.rmtree(store.root / "media")  # as if the shared images were slow to the point of absence
    assert reader.get(kit.key(0)) == first
    assert (cache.hits, cache.misses) == (2, 2)


def test_compacted_images_are_cached_too(kit: Any, store: PatchStore, tmp_path: Path) -> None:
    compact_store(store)
    cache = LocalCache(tmp_path / "local", 10**6)
    for _ in range(2):
        assert PatchStore(store.root, cache=cache).get(kit.key(0)) is not None
    assert (cache.hits, cache.misses) == (2, 2)


def test_records_are_always_the_store_s(kit: Any, store: PatchStore, tmp_path: Path) -> None:
    reader = PatchStore(store.root, cache=LocalCache(tmp_path / "local", 10**6))
    assert reader.get(kit.key(0)) is not None
    store.path(kit.key(0)).unlink()
    assert reader.get(kit.key(0)) is None


def test_a_damaged_copy_is_read_again(kit: Any, tmp_path: Path) -> None:
    cache = LocalCache(tmp_path / "local", 10**6)
    media = MediaStore(tmp_path / "media", cache=cache)
    sha = media.put(kit.jpeg(1))
    media.get(sha)
    (copy,) = files_under(cache.root)
    copy.write_bytes(b"damage")
    assert media.get(sha) == kit.jpeg(1)
    assert cache.errors == 1
    assert copy.read_bytes() == kit.jpeg(1)


def test_the_least_recently_used_images_go(tmp_path: Path) -> None:
    cache = LocalCache(tmp_path, 1000)
    names = [f"{n:064x}" for n in range(10)]
    for n, name in enumerate(names[:9]):
        cache.put(name, bytes(100))
        path = next(p for p in files_under(tmp_path) if p.name == name)
        os.utime(path, (0, time.time() - 1000 + n))
    cache.put(names[9], bytes(300))
    left = {p.name for p in files_under(tmp_path)}
    assert names[0] not in left
    assert {names[8], names[9]} <= left
    assert sum(p.stat().st_size for p in files_under(tmp_path)) <= 1000


def test_an_unusable_folder_only_counts(kit: Any, tmp_path: Path) -> None:
    (tmp_path / "local").write_text("a file")
    cache = LocalCache(tmp_path / "local", 1000)
    media = MediaStore(tmp_path / "media", cache=cache)
    sha = media.put(kit.jpeg(1))
    assert media.get(sha) == kit.jpeg(1)
    assert cache.errors == 2


def test_the_configuration_makes_the_cache(tmp_path: Path) -> None:
    assert local_image_cache(None, 20.0) is None
    cache = local_image_cache(str(tmp_path), 0.5)
    assert cache is not None
    assert (cache.root, cache.max_bytes) == (tmp_path, 500_000_000)


def test_a_teacher_reads_through_the_configured_cache(tmp_path: Path) -> None:
    store = StoreConfig(local_cache=str(tmp_path / "local"), local_cache_gb=1)
    teacher = build_teacher(
        TeacherConfig(kind="replay"), store, store_dir=tmp_path / "store", media_root=tmp_path
    )
    assert isinstance(teacher, StoredTeacher)
    cache = teacher.store.media.cache
    assert cache is not None
    assert (cache.root, cache.max_bytes) == (tmp_path / "local", 10**9)
