"""Write-once semantics under races: a patch is never lost to a later write of another process."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ffr.patches import store as store_module
from ffr.patches.files import StoreError, create_atomic
from ffr.patches.media import TOUCH_AFTER_S, MediaStore
from ffr.patches.patch import NoPatch
from ffr.patches.record import StoredDiagnosis, dump_record
from ffr.patches.store import PatchStore

FAILED = StoredDiagnosis(failure=NoPatch(reason="timeout"), attempts=1)


def test_of_many_writers_of_one_name_exactly_one_is_first(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda n: create_atomic(path, b"%d" % n), range(8)))
    assert first.count(True) == 1
    assert path.read_bytes() == b"%d" % first.index(True)
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_without_hard_links_a_file_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    assert create_atomic(tmp_path / "x", b"1")
    assert not create_atomic(tmp_path / "x", b"2")
    assert (tmp_path / "x").read_bytes() == b"1"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_link_whose_reply_was_lost_counts_as_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def lossy(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(os, "link", lossy)
    assert create_atomic(tmp_path / "x", b"1")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        create_atomic(tmp_path / "f" / "x", b"1")


def test_a_patch_written_between_look_and_write_stays(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, fast = PatchStore(tmp_path), PatchStore(tmp_path)
    first = kit.patch_record(fast, 1, shades=(1,))
    create = create_atomic

    def raced(path: Path, data: bytes) -> bool:
        monkeypatch.setattr(store_module, "create_atomic", create)
        assert fast.put(kit.key(0), first) == first
        return create(path, data)

    monkeypatch.setattr(store_module, "create_atomic", raced)
    assert slow.put(kit.key(0), kit.patch_record(slow, 2, shades=(2,))) == first
    assert PatchStore(tmp_path).get(kit.key(0)) == first


def test_a_late_failure_cannot_hide_a_patch(kit: Any, tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    record = kit.patch_record(store, 1, shades=(1,))
    store.put(kit.key(0), FAILED)
    store.put(kit.key(0), record)
    assert not store.path(kit.key(0), failed=True).exists()
    # A process that looked before the patch was there writes its failure now.
    store.path(kit.key(0), failed=True).write_bytes(dump_record(kit.key(0), FAILED))
    assert PatchStore(tmp_path).get(kit.key(0)) == record


def test_failures_of_an_older_layout_are_read_and_counted_on(kit: Any, tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    store.path(kit.key(0)).parent.mkdir(parents=True)
    store.path(kit.key(0)).write_bytes(dump_record(kit.key(0), FAILED))
    assert store.get(kit.key(0)) == FAILED
    record = kit.patch_record(store, 1, shades=(1,))
    assert store.put(kit.key(0), record) == record
    assert store.get(kit.key(0)) == record


def test_a_record_seen_before_its_image_is_served_later(kit: Any, tmp_path: Path) -> None:
    store = kit.fill(PatchStore(tmp_path), 1, 0)
    sha = next(iter(store.get(kit.key(0)).patch.frames)).image_sha256  # type: ignore[union-attr]
    image = store.media.path(sha)
    data = image.read_bytes()
    image.unlink()
    assert store.get(kit.key(0)) is None
    image.write_bytes(data)
    assert store.get(kit.key(0)) is not None
    assert not (tmp_path / "quarantine").exists()


def test_storing_an_old_image_again_makes_it_young(kit: Any, tmp_path: Path) -> None:
    media = MediaStore(tmp_path)
    path = media.path(media.put(kit.jpeg(1)))
    os.utime(path, (0, time.time() - 2 * TOUCH_AFTER_S))
    media.put(kit.jpeg(1))
    assert time.time() - path.stat().st_mtime < TOUCH_AFTER_S
