"""What a shard holds: a plain tar file in WebDataset layout, one sample per diagnosis.

A sample is ``<request key>.json`` (the record, checksum included) followed by the images of its
patch, ``<request key>.0.jpg``, ``<request key>.1.jpg``, ...  Every sample is complete by itself, so
an image that two patches share is stored with both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from ffr.patches.record import CorruptRecordError, StoredDiagnosis, dump_record, load_record
from ffr.patches.shard_index import Entry, Kind
from ffr.patches.tar_stream import BadTarError, TarMember, TarSink, read_members

__all__ = ["MAX_IMAGE_BYTES", "ScannedSample", "image_names", "scan_samples", "write_sample"]

MAX_RECORD_BYTES = 1 << 20
MAX_IMAGE_BYTES = 32 << 20
_NAME = re.compile(r"([0-9a-f]{64})\.(?:(json)|(\d{1,3})\.(?:jpg|png|bin))")
_MAGIC = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}


@dataclass(frozen=True)
class ScannedSample:
    """A sample as found in a shard.

    Attributes:
        key: request key.
        record: what the sample holds, or ``None`` when it is unusable.
        images: bytes by SHA-256; only those whose hash the record names.
        entries: rows of the index.
        problem: what is wrong, or "".
    """

    key: str
    record: StoredDiagnosis | None
    images: Mapping[str, bytes]
    entries: tuple[Entry, ...]
    problem: str = ""


def image_names(record: StoredDiagnosis) -> tuple[str, ...]:
    """SHA-256 of every image a record needs, each once, in the order of the frames."""
    frames = record.patch.frames if record.patch is not None else ()
    return tuple(dict.fromkeys(frame.image_sha256 for frame in frames))


def write_sample(
    sink: TarSink, key: str, record: StoredDiagnosis, images: Mapping[str, bytes]
) -> list[Entry]:
    """Append a sample; ``images`` holds every image the record names. Returns its index rows."""
    kind = Kind.PATCH if record.patch is not None else Kind.FAILURE
    member = sink.add(f"{key}.json", dump_record(key, record))
    entries = [Entry(key, kind, member.offset, member.size)]
    for number, sha in enumerate(image_names(record)):
        data = images[sha]
        suffix = next((s for magic, s in _MAGIC.items() if data.startswith(magic)), "bin")
        member = sink.add(f"{key}.{number}.{suffix}", data)
        entries.append(Entry(sha, Kind.IMAGE, member.offset, member.size))
    return entries


def scan_samples(file: BinaryIO) -> Iterator[ScannedSample]:
    """Read a whole shard and check every byte of it.

    Raises:
        BadTarError: it is no shard: damaged tar structure, foreign or repeated names, members
            out of order.  What is wrong with the content of one sample is its ``problem``.
    """
    seen: set[str] = set()
    members: list[TarMember] = []
    for member in read_members(file, max_member_bytes=MAX_IMAGE_BYTES):
        name = _NAME.fullmatch(member.name)
        if name is None:
            raise BadTarError(
                f"member {member.name[:120]!r} has a foreign name; a shard holds <request "
                "key>.json and <request key>.<number>.jpg"
            )
        key, is_record, number = name.groups()
        if is_record:
            if key in seen:
                raise BadTarError(f"sample {key} comes twice")
            seen.add(key)
            if members:
                yield _read(file, members)
            members = [member]
        elif not members or not members[0].name.startswith(key) or int(number) != len(members) - 1:
            raise BadTarError(f"member {member.name!r} does not follow its record in order")
        else:
            members.append(member)
    if members:
        yield _read(file, members)


def _read(file: BinaryIO, members: list[TarMember]) -> ScannedSample:
    key = members[0].name[:64]
    try:
        if members[0].size > MAX_RECORD_BYTES:
            raise CorruptRecordError(f"a record of {members[0].size} bytes is not allowed")
        record = load_record(key, _bytes(file, members[0]))
    except CorruptRecordError as error:
        return ScannedSample(key, None, {}, (), f"record: {error}")
    wanted = image_names(record)
    kind = Kind.PATCH if record.patch is not None else Kind.FAILURE
    entries = [Entry(key, kind, members[0].offset, members[0].size)]
    images: dict[str, bytes] = {}
    for member in members[1:]:
        data = _bytes(file, member)
        sha = hashlib.sha256(data).hexdigest()
        if sha not in wanted:
            return ScannedSample(
                key, None, {}, (), f"image {member.name[65:]} does not match the record's hashes"
            )
        images[sha] = data
        entries.append(Entry(sha, Kind.IMAGE, member.offset, member.size))
    if missing := [sha for sha in wanted if sha not in images]:
        return ScannedSample(key, None, {}, (), f"image {missing[0]} is missing")
    return ScannedSample(key, record, images, tuple(entries))


def _bytes(file: BinaryIO, member: TarMember) -> bytes:
    file.seek(member.offset)
    return file.read(member.size)
