"""The patch store: diagnoses by request key, safe for many writers on shared file systems.

``<root>/records/ab/cd/<key>.json`` holds a record; images lie in a media store, written
before the record that names them, so a record never points at nothing (spec video_io §6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ffr.patches.files import StoreError, move_to_quarantine, shard_path, write_atomic
from ffr.patches.media import CorruptMediaError, MediaStore, MissingMediaError
from ffr.patches.record import CorruptRecordError, StoredDiagnosis, dump_record, load_record

__all__ = ["PatchStore", "StoreCounters"]

_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass
class StoreCounters:
    """What one store object saw; ``corrupt`` counts records and images set aside."""

    hits: int = 0
    misses: int = 0
    corrupt: int = 0
    written: int = 0


class PatchStore:
    """Diagnoses under ``root``; images in ``media`` (default ``<root>/media``)."""

    def __init__(self, root: Path | str, media: MediaStore | None = None) -> None:
        self.root = Path(root)
        self.media = media if media is not None else MediaStore(self.root / "media")
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

        A torn or changed record, or one whose image is missing or corrupt, is moved to
        ``<root>/quarantine``, counted, and treated as a miss.

        Raises:
            ValueError: ``key`` is not 64 lower-case hex digits.
            StoreError: the file exists but cannot be read.
        """
        record = self._load(key)
        if record is None:
            self.counters.misses += 1
        else:
            self.counters.hits += 1
        return record

    def put(self, key: str, record: StoredDiagnosis) -> StoredDiagnosis:
        """Write ``record`` and return the one in force.

        The first patch stays: a later patch or failure of the same request does not replace
        it.  A failure adds its attempts to those recorded before.

        Raises:
            ValueError: ``key`` is malformed.
            StoreError: an image of the patch is not in the media store, the disk is full, or
                the folder is not writable.
        """
        before = self._load(key)
        if before is not None and before.patch is not None:
            return before
        if record.patch is not None:
            for frame in record.patch.frames:
                if frame.image_sha256 not in self.media:
                    raise MissingMediaError(
                        f"image {frame.image_sha256} of the patch is not in {self.media.root}; "
                        "put the images into the media store before the record"
                    )
        elif before is not None:
            total = before.attempts + record.attempts
            record = record.model_copy(update={"attempts": total})
        write_atomic(self._path(key), dump_record(key, record))
        self.counters.written += 1
        return record

    def _load(self, key: str) -> StoredDiagnosis | None:
        path = self._path(key)
        try:
            record = load_record(key, path.read_bytes())
            for frame in record.patch.frames if record.patch is not None else ():
                self.media.get(frame.image_sha256)
        except FileNotFoundError:
            return None
        except (CorruptRecordError, CorruptMediaError, MissingMediaError):
            self.counters.corrupt += 1
            move_to_quarantine(path, self.root)
            return None
        except OSError as error:
            raise StoreError.from_os_error("read", path, error) from error
        return record

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"key={key!r} is not a request key; give 64 lower-case hex digits")
        return shard_path(self.root / "records", key, ".json")
