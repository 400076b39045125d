"""``<file>.manifest.json``: what a data file is, where it came from, and whether it is still that.

Whoever makes a file with ``ffr data`` gets one beside it; a run that trains on the file checks the
hash and keeps the manifest in its own, so that a number can be traced to bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import ffr
from ffr.data.probe import Probe
from ffr.errors import UserError
from ffr.patches.files import write_atomic

__all__ = [
    "DataManifest", "FileHash", "MediaHash", "data_record", "hash_file", "manifest_path",
    "media_hash", "read_manifest", "verify_manifest", "write_manifest",
]  # fmt: skip

_MAX_BYTES = 16 * 2**20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileHash(_Part):
    """A file by its bytes; ``name`` is without its folder."""

    name: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class MediaHash(_Part):
    """All videos of a data set; ``sha256`` is over sorted lines ``SHA-256 of the file, name``."""

    files: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class DataManifest(_Part):
    """What a data file is.

    Attributes:
        file: its bytes.
        made_by: the command and its settings.
        rows: rows in it.
        questions_sha256: content hash of the questions, formatting apart.
        sources: what it was made of.
        counts: what was left out, by reason.
        media: of the videos, where they were hashed.
    """

    schema_version: Literal[1] = 1
    ffr: str = ffr.__version__
    file: FileHash
    made_by: Mapping[str, Any]
    rows: int = Field(ge=0)
    questions_sha256: str | None = None
    sources: tuple[FileHash, ...] = ()
    counts: Mapping[str, Any] = {}
    media: MediaHash | None = None


def manifest_path(path: Path) -> Path:
    """Where the manifest of a data file lies."""
    return path.with_name(f"{path.name}.manifest.json")


def write_manifest(
    path: Path,
    *,
    made_by: Mapping[str, Any],
    rows: int,
    questions_sha256: str | None = None,
    sources: Sequence[Path] = (),
    counts: Mapping[str, Any] | None = None,
    media: MediaHash | None = None,
) -> DataManifest:
    """Hash a finished file and write its manifest beside it.

    Raises:
        UserError: the file or a source cannot be read, or the manifest cannot be written.
    """
    manifest = DataManifest(
        file=hash_file(path), made_by=made_by, rows=rows, questions_sha256=questions_sha256,
        sources=tuple(hash_file(source) for source in sources), counts=counts or {}, media=media,
    )  # fmt: skip
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
    write_atomic(manifest_path(path), text.encode())
    return manifest


def read_manifest(path: Path) -> DataManifest | None:
    """The manifest of a data file; ``None`` where there is none.

    Raises:
        UserError: there is one, but it cannot be read.
    """
    place = manifest_path(path)
    try:
        with place.open("rb") as file:
            raw = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {place}: {error.strerror}; give a readable file") from error
    try:
        return DataManifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(
            f"{place} is no data manifest ({'.'.join(map(str, first['loc']))}: {first['msg']}); "
            "write it again with `ffr data manifest`, or remove it"
        ) from error


def verify_manifest(path: Path) -> DataManifest | None:
    """The manifest of a data file after comparing its hash with the file; ``None`` without one.

    Raises:
        UserError: the file is not the one the manifest speaks of.
    """
    manifest = read_manifest(path)
    if manifest is None:
        return None
    now = hash_file(path)
    if now.sha256 != manifest.file.sha256:
        raise UserError(
            f"{path} was changed after its manifest was written (sha256 {now.sha256[:12]}..., "
            f"{now.bytes} bytes; the manifest says {manifest.file.sha256[:12]}..., "
            f"{manifest.file.bytes} bytes); restore it, or accept it with "
            f"`ffr data manifest {path}`"
        )
    return manifest


def data_record(path: Path) -> dict[str, Any]:
    """What a run's manifest says about one of its data files: hash, and the verified manifest.

    Raises:
        UserError: see ``verify_manifest``.
    """
    manifest = verify_manifest(path)
    file = manifest.file if manifest is not None else hash_file(path)
    return {
        "name": path.name, "bytes": file.bytes, "sha256": file.sha256,
        "manifest": None if manifest is None else manifest.model_dump(mode="json"),
    }  # fmt: skip


def hash_file(path: Path) -> FileHash:
    """A file by its bytes.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return FileHash(name=path.name, bytes=file.tell(), sha256=digest)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a readable file") from error


def media_hash(probes: Mapping[str, Probe]) -> MediaHash:
    """One hash for the videos that were looked at with ``identity``.

    Raises:
        UserError: a video could not be read.
    """
    digest = hashlib.sha256()
    size = 0
    for name in sorted(probes):
        probe = probes[name]
        if probe.content is None:
            raise UserError(f"video {name[:200]!r} cannot be hashed: {probe.detail}")
        digest.update(f"{probe.content} {name}\n".encode())
        size += probe.size
    return MediaHash(files=len(probes), bytes=size, sha256=digest.hexdigest())
