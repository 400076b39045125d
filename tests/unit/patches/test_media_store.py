"""Media store: content addressing, idempotence, corruption, unwritable folders."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ffr.patches.files import StoreError
from ffr.patches.media import CorruptMediaError, MediaStore, MissingMediaError

JPEG = b"\xff\xd8\xff\xe0" + b"pixels" * 50


def files_under(root: Path) -> list[Path]:
    return sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())


def test_round_trip_layout_and_idempotence(tmp_path: Path) -> None:
    store = MediaStore(tmp_path / "media")
    sha = store.put(JPEG)
    assert sha == hashlib.sha256(JPEG).hexdigest()
    assert store.get(sha) == JPEG
    assert sha in store
    first = store.path(sha).stat().st_mtime_ns
    assert store.put(JPEG) == sha
    assert store.path(sha).stat().st_mtime_ns == first
    other = store.put(b"not a jpeg")
    assert store.get(other) == b"not a jpeg"
    expected = sorted([Path(sha[:2], sha[2:4], f"{sha}.jpg"), Path(other[:2], other[2:4], other)])
    assert files_under(store.root) == expected


def test_missing_and_malformed_names(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    with pytest.raises(MissingMediaError, match="make the patch again"):
        store.get("0" * 64)
    for bad in ("../../etc/passwd", "A" * 64, "", "0" * 63):
        with pytest.raises(ValueError, match="64 lower-case hex"):
            store.get(bad)
    with pytest.raises(ValueError, match="empty"):
        store.put(b"")


@pytest.mark.parametrize("damage", [JPEG[:20], b"", JPEG[:-1] + b"X"])
def test_corrupt_image_is_quarantined_and_can_be_written_again(
    tmp_path: Path, damage: bytes
) -> None:
    store = MediaStore(tmp_path)
    sha = store.put(JPEG)
    store.path(sha).write_bytes(damage)
    with pytest.raises(CorruptMediaError, match="quarantine"):
        store.get(sha)
    assert store.corrupt == 1
    assert sha not in store
    assert [p.read_bytes() for p in (tmp_path / "quarantine").iterdir()] == [damage]
    assert store.get(store.put(JPEG)) == JPEG


def test_put_mends_a_damaged_file(tmp_path: Path) -> None:
    store = MediaStore(tmp_path)
    sha = store.put(JPEG)
    store.path(sha).write_bytes(JPEG[:10])
    assert store.put(JPEG) == sha
    assert store.get(sha) == JPEG
    assert store.corrupt == 1


def test_a_file_in_place_of_the_folder_gives_one_readable_line(tmp_path: Path) -> None:
    blocker = tmp_path / "media"
    blocker.write_text("I am a file")
    with pytest.raises(StoreError, match="choose another folder") as info:
        MediaStore(blocker).put(JPEG)
    assert "\n" not in str(info.value)
    assert str(blocker) in str(info.value)


def test_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MediaStore(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device; free space"):
        store.put(JPEG)
    assert files_under(tmp_path) == []
    monkeypatch.undo()
    assert store.get(store.put(JPEG)) == JPEG


def test_many_writers_of_the_same_images(tmp_path: Path) -> None:
    images = [JPEG + bytes([i]) for i in range(20)]

    def work(_: int) -> int:
        store = MediaStore(tmp_path)
        return sum(store.get(store.put(image)) == image for image in images)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [20] * 4
    assert len(files_under(tmp_path)) == len(images)
