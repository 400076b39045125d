"""The patch store: diagnoses by request key, safe for many writers on shared file systems.

``<root>/records/ab/cd/<key>.json`` holds a patch and ``<key>.failed.json`` why there is none, so
that a late failure can never replace a patch.  Images lie in a media store and are written before
the record that names them, so a record never points at nothing (spec video_io §6).  Compacted
patches lie in ``<root>/shards`` and are read alike.  A patch that a person rejected
(``<root>/reviews``) is read as a failure, ``rejected``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ffr.patches.files import (
    StoreError,
    create_atomic,
    move_to_quarantine,
    shard_path,
    write_atomic,
)
from ffr.patches.local_cache import LocalCache
from ffr.patches.media import CorruptMediaError, MediaStore, MissingMediaError
from ffr.patches.record import CorruptRecordError, StoredDiagnosis, dump_record, load_record
from ffr.patches.review import ReviewBook
from ffr.patches.shard_index import Kind
from ffr.patches.shards import ShardSet

__all__ = ["FAILED_SUFFIX", "PatchStore", "StoreCounters", "local_image_cache"]

FAILED_SUFFIX = ".failed.json"
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass
class StoreCounters:
    """What one store object saw.

    Attributes:
        hits: records served.
        misses: keys without a usable record.
        corrupt: records set aside, or not served because an image is missing or damaged.
        written: records written.
        rejected: patches not served because a person rejected them; they count as hits, too.
    """

    hits: int = 0
    misses: int = 0
    corrupt: int = 0
    written: int = 0
    rejected: int = 0


class PatchStore:
    """Diagnoses under ``root``; use it from any number of threads, processes and machines.

    Args:
        root: folder of the store; made on the first write.
        media: images; default: ``<root>/media`` and the shards.
        cache: images kept on this node's own disk, in front of shared storage.
    """

    def __init__(
        self,
        root: Path | str,
        media: MediaStore | None = None,
        *,
        cache: LocalCache | None = None,
    ) -> None:
        self.root = Path(root)
        self.shards = ShardSet(self.root / "shards")
        if media is None:
            media = MediaStore(self.root / "media", shards=self.shards, cache=cache)
        self.media = media
        self.reviews = ReviewBook(self.root / "reviews")
        self.counters = StoreCounters()

    def check_writable(self) -> None:
        """Fail now rather than after the first paid call.

        Raises:
            StoreError: the folders cannot be made or written.
        """
        for folder in (self.root / "records", self.media.root):
            probe = folder / ".write-probe"
            write_atomic(probe, b"ok\n")
            try:
                probe.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError.from_os_error("write", probe, error) from error

    def get(self, key: str) -> StoredDiagnosis | None:
        """The record of ``key`` with all its images verified, or ``None``.

        In place of a rejected patch it is a failure, ``rejected``, which says by whom and why.
        A torn or changed record, or one with a corrupt image, is moved to ``<root>/quarantine``,
        counted, and treated as a miss.  One whose image is missing is counted and a miss, but
        stays: on shared storage a file of another machine may be seen late.

        Raises:
            ValueError: ``key`` is not 64 lower-case hex digits.
            StoreError: the file exists but cannot be read.
        """
        record = self._load(key)
        if record is None:
            self.counters.misses += 1
            return None
        self.counters.hits += 1
        return self._reviewed(key, record)

    def stored(self, key: str) -> StoredDiagnosis | None:
        """As ``get``, whatever people decided about the patch; hits and misses are not counted.

        For those who look patches over; what is trained on comes from ``get``.
        """
        return self._load(key)

    def put(self, key: str, record: StoredDiagnosis) -> StoredDiagnosis:
        """Write ``record`` and return the one in force.

        The first patch stays: a later patch or failure of the same request does not replace
        it, whichever process is faster.  Only a rejected patch gives way, to any other one.  A
        failure adds its attempts to those recorded before (two machines that fail at the same
        instant may count as one).

        Raises:
            ValueError: ``key`` is malformed.
            StoreError: an image of the patch is not in the media store, the disk is full, or
                the folder is not writable.
        """
        before = self._load(key)
        replaces = before is not None and self._gives_way(key, before, record)
        if before is not None and before.patch is not None and not replaces:
            return self._reviewed(key, before)
        if record.patch is None:
            attempts = record.attempts + (before.attempts if before is not None else 0)
            record = record.model_copy(update={"attempts": attempts})
            write_atomic(self.path(key, failed=True), dump_record(key, record))
        else:
            for frame in record.patch.frames:
                if frame.image_sha256 not in self.media:
                    raise MissingMediaError(
                        f"image {frame.image_sha256} of the patch is not in {self.media.root}; "
                        "put the images into the media store before the record"
                    )
            data = dump_record(key, record)
            if replaces:
                write_atomic(self.path(key), data)
            elif not create_atomic(self.path(key), data):
                winner = self._load(key)
                if winner is not None and winner.patch is not None:
                    return self._reviewed(key, winner)
                write_atomic(self.path(key), data)  # what is there cannot be used
            self.path(key, failed=True).unlink(missing_ok=True)
        self.counters.written += 1
        return record

    def path(self, key: str, *, failed: bool = False) -> Path:
        """Where the loose record of a patch, or of a failure, lies or would lie.

        Raises:
            ValueError: ``key`` is not 64 lower-case hex digits.
        """
        if not _KEY.fullmatch(key):
            raise ValueError(f"key={key!r} is not a request key; give 64 lower-case hex digits")
        return shard_path(self.root / "records", key, FAILED_SUFFIX if failed else ".json")

    def _reviewed(self, key: str, record: StoredDiagnosis) -> StoredDiagnosis:
        """The record, or a failure in place of a rejected patch."""
        if record.patch is None:
            return record
        refusal = self.reviews.refusal(key, record.patch.patch_id)
        if refusal is None:
            return record
        self.counters.rejected += 1
        return StoredDiagnosis(
            failure=refusal, attempts=1, teacher_model=record.teacher_model,
            question_id=record.question_id,
        )  # fmt: skip

    def _gives_way(self, key: str, before: StoredDiagnosis, new: StoredDiagnosis) -> bool:
        """Whether a rejected patch is replaced: by any other patch, never by itself."""
        if before.patch is None or new.patch is None:
            return False
        old = before.patch.patch_id
        return old != new.patch.patch_id and self.reviews.refusal(key, old) is not None

    def _load(self, key: str) -> StoredDiagnosis | None:
        for find in (self._loose, self._compacted_patch, self._loose_failure, self._compacted):
            record = find(key)
            if record is not None and self._complete(key, record):
                return record
        return None

    def _loose(self, key: str) -> StoredDiagnosis | None:
        return self._read(key, self.path(key))

    def _loose_failure(self, key: str) -> StoredDiagnosis | None:
        return self._read(key, self.path(key, failed=True))

    def _compacted_patch(self, key: str) -> StoredDiagnosis | None:
        return self._from_shard(key, Kind.PATCH)

    def _compacted(self, key: str) -> StoredDiagnosis | None:
        return self._from_shard(key, Kind.FAILURE)

    def _read(self, key: str, path: Path) -> StoredDiagnosis | None:
        try:
            return load_record(key, path.read_bytes())
        except FileNotFoundError:
            return None
        except CorruptRecordError:
            self.counters.corrupt += 1
            move_to_quarantine(path, self.root)
            return None
        except OSError as error:
            raise StoreError.from_os_error("read", path, error) from error

    def _from_shard(self, key: str, kind: Kind) -> StoredDiagnosis | None:
        data = self.shards.read(key, kind)
        if data is None:
            return None
        try:
            return load_record(key, data)
        except CorruptRecordError:
            self.counters.corrupt += 1
            return None

    def _complete(self, key: str, record: StoredDiagnosis) -> bool:
        """Whether every image of the record is there and sound."""
        try:
            for frame in record.patch.frames if record.patch is not None else ():
                self.media.get(frame.image_sha256)
        except MissingMediaError:
            self.counters.corrupt += 1
            return False
        except CorruptMediaError:
            self.counters.corrupt += 1
            move_to_quarantine(self.path(key), self.root)
            return False
        return True


def local_image_cache(folder: str | None, gigabytes: float) -> LocalCache | None:
    """The cache that ``store.local_cache`` and ``store.local_cache_gb`` describe, if any."""
    return None if folder is None else LocalCache(Path(folder), int(gigabytes * 1e9))
