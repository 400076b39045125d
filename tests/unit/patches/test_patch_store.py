"""Patch store: round trips, retry counts, corruption, races, unwritable folders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from ffr.patches.files import StoreError
from ffr.patches.media import MissingMediaError
from ffr.patches.patch import EvidencePatch, NoPatch, PatchFrame
from ffr.patches.record import CorruptRecordError, StoredDiagnosis, dump_record, load_record
from ffr.patches.store import PatchStore
from ffr.patches.verify import verify_store

KEY = "ab" * 32
JPEG = b"\xff\xd8\xffpixels"


def record_of(store: PatchStore, guidance: str = "Look again.") -> StoredDiagnosis:
    sha = store.media.put(JPEG)
    patch = EvidencePatch(
        error_types=("temporal",),
        guidance=guidance,
        key_times_s=(1.5,),
        frames=(PatchFrame(t_s=1.5, image_sha256=sha),),
    )
    return StoredDiagnosis(patch=patch, teacher_model="m", question_id="q·1")


def failed(reason: str = "leak") -> StoredDiagnosis:
    return StoredDiagnosis(failure=NoPatch(reason=reason, detail="why"), attempts=1)  # type: ignore[arg-type]


def test_round_trip_through_a_new_object(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    assert store.get(KEY) is None
    record = record_of(store)
    assert store.put(KEY, record) == record
    assert (tmp_path / "records" / "ab" / "ab" / f"{KEY}.json").is_file()
    again = PatchStore(tmp_path)
    assert again.get(KEY) == record
    assert (again.counters.hits, again.counters.misses) == (1, 0)
    assert (store.counters.hits, store.counters.misses, store.counters.written) == (0, 1, 1)


def test_the_first_patch_stays_and_failures_add_up(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    store.put(KEY, failed())
    assert store.put(KEY, failed("timeout")).attempts == 2
    current = store.get(KEY)
    assert current is not None
    assert current.failure is not None
    assert current.failure.reason == "timeout"
    assert current.transient
    first = record_of(store, "first")
    assert store.put(KEY, first) == first
    assert store.put(KEY, record_of(store, "second")) == first
    assert store.put(KEY, failed()) == first
    assert store.get(KEY) == first


def test_equal_records_have_equal_bytes(tmp_path: Path) -> None:
    left, right = PatchStore(tmp_path / "l"), PatchStore(tmp_path / "r")
    for store in (left, right):
        store.put(KEY, record_of(store))
    paths = [next((s.root / "records").rglob("*.json")) for s in (left, right)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("reason", ["teacher_off", "store_miss", "circuit_open", "budget_spent"])
def test_unasked_outcomes_are_not_storable(reason: str) -> None:
    assert not StoredDiagnosis.storable(NoPatch(reason=reason))  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="nothing was asked"):
        failed(reason)


def test_a_record_is_a_patch_or_a_failure() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        StoredDiagnosis()
    with pytest.raises(ValidationError, match="attempts"):
        StoredDiagnosis(failure=NoPatch(reason="leak"))


def test_every_damaged_byte_is_noticed() -> None:
    data = dump_record(KEY, failed())
    assert load_record(KEY, data) == failed()
    for i in range(len(data)):
        changed = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
        with pytest.raises(CorruptRecordError):
            load_record(KEY, changed)
        with pytest.raises(CorruptRecordError):
            load_record(KEY, data[:i])
    with pytest.raises(CorruptRecordError):
        load_record("cd" * 32, data)


def test_corrupt_record_becomes_a_counted_miss(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    record = record_of(store)
    store.put(KEY, record)
    path = next((tmp_path / "records").rglob("*.json"))
    path.write_bytes(path.read_bytes()[:50])
    assert store.get(KEY) is None
    assert store.counters.corrupt == 1
    assert not path.exists()
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    store.put(KEY, record)
    assert store.get(KEY) == record


def test_a_damaged_read_only_store_gives_misses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PatchStore(tmp_path)
    store.put(KEY, record_of(store))
    record, image = next((tmp_path / "records").rglob("*.json")), next(tmp_path.rglob("*.jpg"))

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", read_only)
    image.write_bytes(b"x")
    assert store.get(KEY) is None
    record.write_bytes(b"x")
    assert store.get(KEY) is None
    assert (record.read_bytes(), image.read_bytes()) == (b"x", b"x")
    assert (store.counters.misses, store.counters.corrupt) == (2, 2)
    with pytest.raises(StoreError, match="cannot quarantine"):
        verify_store(store, repair=True)


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
def test_record_without_its_image_is_not_served(tmp_path: Path, damage: str) -> None:
    store = PatchStore(tmp_path)
    store.put(KEY, record_of(store))
    image = next(store.media.root.rglob("*.jpg"))
    if damage == "missing":
        image.unlink()
    else:
        image.write_bytes(b"\xff\xd8\xff")
    assert store.get(KEY) is None
    assert store.counters.corrupt == 1


def test_images_come_first(tmp_path: Path) -> None:
    record = record_of(PatchStore(tmp_path / "elsewhere"))
    store = PatchStore(tmp_path / "here")
    with pytest.raises(MissingMediaError, match="before the record"):
        store.put(KEY, record)
    assert store.get(KEY) is None


def test_bad_keys_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 lower-case hex"):
        PatchStore(tmp_path).get("../x")
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        PatchStore(blocker).check_writable()
    fine = PatchStore(tmp_path / "new")
    fine.check_writable()
    assert [p for p in fine.root.rglob("*") if p.is_file()] == []


def test_many_writers_agree(tmp_path: Path) -> None:
    keys = [f"{i:064x}" for i in range(10)]

    def work(writer: int) -> list[str]:
        store = PatchStore(tmp_path)
        for key in keys:
            store.put(key, record_of(store, f"from {writer}"))
        return [r.patch.guidance for k in keys if (r := store.get(k)) and r.patch]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert all(len(r) == len(keys) for r in results)
    final = PatchStore(tmp_path)
    assert all(final.get(k) is not None for k in keys)
    assert final.counters.corrupt == 0
