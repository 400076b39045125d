"""Re-hash a whole store and say, or mend, what is wrong with it."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ffr.patches.files import StoreError, create_atomic, move_to_quarantine, write_atomic
from ffr.patches.media import CorruptMediaError, MediaStore, MissingMediaError
from ffr.patches.record import CorruptRecordError, StoredDiagnosis, dump_record, load_record
from ffr.patches.review import CorruptReviewError
from ffr.patches.shard_format import image_names, scan_samples
from ffr.patches.shard_index import Entry, pack_index
from ffr.patches.shard_writer import file_sha256, shard_name
from ffr.patches.store import PatchStore
from ffr.patches.tar_stream import BadTarError
from ffr.patches.walk import Progress, loose_images, loose_records, temporary_files

__all__ = ["Problem", "VerifyReport", "verify_store"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: ``corrupt_record``, ``corrupt_image``, ``missing_image``, ``corrupt_shard``,
            ``bad_index``, ``corrupt_review`` (its patch is not served; it stays until somebody
            marks the patch again).
        path: the file.
        detail: for people.
    """

    kind: str
    path: str
    detail: str


@dataclass
class VerifyReport:
    """What was read and what is wrong.

    Attributes:
        records: record files and samples of shards that are sound.
        images: loose images and images in shards that are sound.
        bytes_read: bytes hashed.
        shards: shards read.
        reviews: requests with marks of people that are sound.
        temporary: files of killed or working writers; harmless.
        content_sha256: over all sound records in force, their images included: equal for two
            stores with equal content, however it is stored.
        problems: empty for a sound store.
        repaired: whether the problems were mended: damaged files are in quarantine now, sound
            samples of damaged shards are loose records, indexes are made anew.
    """

    records: int = 0
    images: int = 0
    bytes_read: int = 0
    shards: int = 0
    reviews: int = 0
    temporary: int = 0
    content_sha256: str = ""
    problems: list[Problem] = field(default_factory=list)
    repaired: bool = False


def verify_store(
    store: PatchStore, *, repair: bool = False, progress: Progress = lambda _d, _t: None
) -> VerifyReport:
    """Read and hash everything; writers may be at work meanwhile.

    Args:
        store: the store.
        repair: set damaged files aside and save what is sound in damaged shards.
        progress: called with (files done, files in all).

    Raises:
        StoreError: a file cannot be read or, with ``repair``, moved.
    """
    return _Verification(store, repair, progress).run()


class _Verification:
    def __init__(self, store: PatchStore, repair: bool, progress: Progress) -> None:
        self.store = store
        self.repair = repair
        self.report = VerifyReport(repaired=repair)
        self.digests: dict[str, tuple[tuple[bool, bool], str]] = {}
        """Request key to ((is a patch, is loose), SHA-256 of the record) of the one in force."""
        self._progress = progress

    def run(self) -> VerifyReport:
        shards = sorted(self.store.shards.root.glob("patches-*.tar"))
        # Records first: an image is written before its record, never after it.
        records = list(loose_records(self.store))
        images = list(loose_images(self.store))
        total, done = len(shards) + len(records) + len(images), 0
        for shard in shards:
            self._shard(shard)
            self._progress(done := done + 1, total)
        bad_images = set()
        for sha, path in images:
            if not self._image(sha, path):
                bad_images.add(sha)
            self._progress(done := done + 1, total)
        for found in records:
            self._record(found.key, found.path, bad_images)
            self._progress(done := done + 1, total)
        self._reviews()
        self.report.temporary = sum(1 for _ in temporary_files(self.store))
        digest = hashlib.sha256()
        for key, (_, sha) in sorted(self.digests.items()):
            digest.update(f"{key} {sha}\n".encode())
        self.report.content_sha256 = digest.hexdigest()
        return self.report

    def _reviews(self) -> None:
        for key in self.store.reviews.keys():  # noqa: SIM118 - not a mapping
            try:
                self.store.reviews.marks(key)
            except CorruptReviewError as error:
                detail = f"{error}; the patch is not served; mark it again"
                self._problem("corrupt_review", self.store.reviews.path(key), detail)
            else:
                self.report.reviews += 1

    def _image(self, sha: str, path: Path) -> bool:
        data = _read(path)
        if data is None:
            return True
        self.report.bytes_read += len(data)
        if hashlib.sha256(data).hexdigest() == sha:
            self.report.images += 1
            return True
        self._problem("corrupt_image", path, "content does not match its name")
        if self.repair:
            move_to_quarantine(path, self.store.media.root, required=True)
        return False

    def _record(self, key: str, path: Path, bad_images: set[str]) -> None:
        data = _read(path)
        if data is None:
            return
        self.report.bytes_read += len(data)
        try:
            record = load_record(key, data)
        except CorruptRecordError as error:
            self._problem("corrupt_record", path, str(error))
            if self.repair:
                move_to_quarantine(path, self.store.root, required=True)
            return
        for sha in image_names(record):
            # A loose image has just been hashed; only one in a shard needs another look.
            if sha in bad_images or not self.store.media.path(sha).exists():
                try:
                    self.store.media.get(sha)
                except StoreError as error:
                    self._problem("missing_image", path, str(error))
                    if self.repair and isinstance(error, MissingMediaError | CorruptMediaError):
                        move_to_quarantine(path, self.store.root, required=True)
                    return
        self._sound(key, record, loose=True)

    def _shard(self, path: Path) -> None:
        index = path.with_suffix(".idx")
        if not index.exists():
            return  # of a compaction that is under way or was killed: gc's business
        entries: list[Entry] = []
        problems: list[str] = []
        self.report.shards += 1
        try:
            with path.open("rb") as file:
                self.report.bytes_read += path.stat().st_size
                if shard_name(file_sha256(file)) != path.stem:
                    problems.append("content does not match its name")
                for sample in scan_samples(file):
                    if sample.record is None:
                        problems.append(f"sample {sample.key}: {sample.problem}")
                        continue
                    entries += sample.entries
                    self.report.images += len(sample.images)
                    self._sound(sample.key, sample.record)
        except BadTarError as error:
            problems.append(str(error))
        except OSError as error:
            raise StoreError.from_os_error("read", path, error) from error
        if problems:
            self._problem("corrupt_shard", path, "; ".join(problems[:5]))
            if self.repair:
                self._salvage(path, index)
        elif _read(index) != pack_index(entries):
            self._problem("bad_index", index, "does not fit its shard")
            if self.repair:
                write_atomic(index, pack_index(entries))

    def _salvage(self, path: Path, index: Path) -> None:
        """Write the sound samples of a damaged shard as loose files, then set it aside."""
        media = MediaStore(self.store.media.root)  # one that does not look into shards
        with path.open("rb") as file, contextlib.suppress(BadTarError):
            for sample in scan_samples(file):
                if sample.record is None:
                    continue
                for data in sample.images.values():
                    media.put(data)
                loose = self.store.path(sample.key, failed=sample.record.patch is None)
                create_atomic(loose, dump_record(sample.key, sample.record))
        for damaged in (index, path):
            move_to_quarantine(damaged, self.store.root, required=True)

    def _sound(self, key: str, record: StoredDiagnosis, *, loose: bool = False) -> None:
        """Count a sound record; a patch is in force before a failure, a loose one before others."""
        self.report.records += 1
        rank = (record.patch is not None, loose)
        if key not in self.digests or rank > self.digests[key][0]:
            sha = hashlib.sha256(dump_record(key, record)).hexdigest()
            self.digests[key] = (rank, sha)

    def _problem(self, kind: str, path: Path, detail: str) -> None:
        self.report.problems.append(Problem(kind, str(path), detail))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # compacted or set aside meanwhile
        return None
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error
