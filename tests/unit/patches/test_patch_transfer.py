"""Export and import: round trips, and archives made by an enemy."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.patches.files import StoreError
from ffr.patches.patch import EvidencePatch, NoPatch, PatchFrame
from ffr.patches.record import StoredDiagnosis, dump_record
from ffr.patches.store import PatchStore
from ffr.patches.transfer import export_patches, import_patches
from ffr.patches.verify import verify_store

KEY = "ab" * 32
FAILURE = StoredDiagnosis(failure=NoPatch(reason="leak"), attempts=1)
RECORD = dump_record(KEY, FAILURE)


def files_under(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file()]


def with_image(data: bytes, sha: str | None = None) -> StoredDiagnosis:
    import hashlib

    frame = PatchFrame(t_s=0.0, image_sha256=sha or hashlib.sha256(data).hexdigest())
    return StoredDiagnosis(
        patch=EvidencePatch(error_types=("spatial",), guidance="Look.", frames=(frame,))
    )


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_an_export_is_a_store_and_comes_back_equal(store: PatchStore, tmp_path: Path) -> None:
    digest = verify_store(store).content_sha256
    report = export_patches(store, tmp_path / "out", shard_bytes=3000)
    assert (report.patches, report.failures, report.damaged) == (4, 2, 0)
    assert len(report.shards) > 1
    assert verify_store(PatchStore(tmp_path / "out")).content_sha256 == digest
    target = PatchStore(tmp_path / "in")
    taken = import_patches(tmp_path / "out", target)
    assert (taken.patches, taken.failures, taken.already, taken.refused) == (4, 2, 0, [])
    verified = verify_store(target)
    assert (verified.content_sha256, verified.problems) == (digest, [])
    again = import_patches(tmp_path / "out", target)
    assert (again.patches, again.failures, again.already) == (0, 0, 6)
    assert verify_store(target).content_sha256 == digest


def test_equal_stores_export_equal_files(
    make_store: Callable[[str], PatchStore], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        export_patches(make_store(name), tmp_path / f"out_{name}")
    left, right = (
        {p.name: p.read_bytes() for p in files_under(tmp_path / f"out_{name}")} for name in "ab"
    )
    assert left == right


def test_ones_own_patch_stays_and_a_failure_gives_way(
    kit: Any, store: PatchStore, tmp_path: Path
) -> None:
    export_patches(store, tmp_path / "out")
    target = PatchStore(tmp_path / "in")
    mine = kit.patch_record(target, 50, shades=(9,))
    target.put(kit.key(0), mine)
    target.put(kit.key(1), FAILURE)
    report = import_patches(tmp_path / "out", target)
    assert (report.patches, report.already) == (3, 1)
    assert target.get(kit.key(0)) == mine
    assert target.get(kit.key(1)) == store.get(kit.key(1))


def test_an_export_needs_an_empty_folder(store: PatchStore, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    with pytest.raises(StoreError, match="not empty"):
        export_patches(store, tmp_path / "out")
    with pytest.raises(StoreError, match="holds no"):
        import_patches(tmp_path / "out", store)


@pytest.mark.parametrize(
    "bad",
    [
        member("../../../escape.json"),
        member("/escape.json"),
        member(f"folder/{KEY}.json"),
        member(f"{KEY}.json/../x"),
        member(f"{KEY}.py"),
        member("records"),
        member("folder", tarfile.DIRTYPE),
        member(f"{'cd' * 32}.json", tarfile.SYMTYPE, "/etc/passwd"),
        member(f"{'cd' * 32}.json", tarfile.LNKTYPE, f"{KEY}.json"),
        member(f"{'cd' * 32}.json", tarfile.CHRTYPE),
        member(f"{'cd' * 32}.json", tarfile.FIFOTYPE),
        member(f"{'cd' * 32}.json", tarfile.GNUTYPE_SPARSE),
        member("x" * 300),
        member(f"{'cd' * 32}.0.jpg"),
        member(f"{KEY}.1.jpg"),
        member(f"{KEY}.json"),
    ],
    ids=lambda info: f"{info.name[:30]}-{info.type.decode()}",
)
def test_a_hostile_archive_is_refused_whole(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    path = archive(tmp_path / "evil.tar", (member(f"{KEY}.json"), RECORD), (bad, b"data"))
    root = tmp_path / "store" / "deep"
    with pytest.raises(StoreError, match="nothing was imported"):
        import_patches(path, PatchStore(root), skip_bad=True)
    assert files_under(tmp_path) == [path]


def test_compressed_torn_and_foreign_files_are_refused(tmp_path: Path) -> None:
    plain = archive(tmp_path / "a.tar", (member(f"{KEY}.json"), RECORD)).read_bytes()
    bomb = gzip.compress(bytes(10_000_000))
    huge = bytearray(plain)
    header = tarfile.TarInfo.frombuf(plain[:512], "ascii", "strict")
    header.size = 1 << 40
    huge[:512] = header.tobuf(tarfile.GNU_FORMAT)
    for data in (
        gzip.compress(plain),
        bomb,
        plain[:700],
        plain[:1100],
        b"",
        bytes(huge),
        b"x" * 999,
    ):
        path = tmp_path / "bad.tar"
        path.write_bytes(data)
        with pytest.raises(StoreError, match="refused"):
            import_patches(path, PatchStore(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header promises this many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_damaged_samples_are_refused_or_left_out(kit: Any, tmp_path: Path) -> None:
    good = kit.jpeg(3)
    bomb = png_claiming(50_000, 50_000)
    samples = [
        (with_image(good), good, ""),
        (with_image(good, "0" * 64), good, "does not match the record's hashes"),
        (with_image(bomb), bomb, "image"),
        (with_image(b"#!/bin/sh"), b"#!/bin/sh", "no JPEG or PNG"),
        (with_image(good), None, "is missing"),
    ]
    members = []
    for n, (record, image, _) in enumerate(samples):
        members.append((member(f"{kit.key(n)}.json"), dump_record(kit.key(n), record)))
        if image is not None:
            members.append((member(f"{kit.key(n)}.0.jpg"), image))
    broken = RECORD.replace(b"leak", b"lack")
    members += [(member(f"{KEY}.json"), broken)]
    path = archive(tmp_path / "some.tar", *members)
    store = PatchStore(tmp_path / "store")
    with pytest.raises(StoreError, match="nothing was imported"):
        import_patches(path, store)
    assert not store.root.exists()
    report = import_patches(path, store, skip_bad=True)
    assert (report.patches, report.failures, len(report.refused)) == (1, 0, 5)
    for (_, _, reason), refused in zip(samples[1:], report.refused, strict=False):
        assert reason in refused
    assert verify_store(store).problems == []
    assert len(files_under(store.root)) == 2


def test_a_record_of_another_key_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", (member(f"{'cd' * 32}.json"), RECORD))
    with pytest.raises(StoreError, match="not a record of this key"):
        import_patches(path, PatchStore(tmp_path / "store"))
