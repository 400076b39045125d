"""Plain tar files, read as if an enemy had written them, and written the same way every time.

Reading goes header by header and accepts regular files only: no links, devices, folders, sparse
or extended headers, and nothing compressed, so an archive can never unpack to more than its own
size.  Each accepted member is a byte range of the file.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ffr.errors import FfrError

__all__ = ["BadTarError", "TarMember", "TarSink", "read_members"]

_BLOCK = 512
_END = bytes(_BLOCK)


class BadTarError(FfrError):
    """The file is no plain tar file of regular files, or it is torn."""


@dataclass(frozen=True)
class TarMember:
    """A regular file inside a tar file: its name and its byte range."""

    name: str
    offset: int
    size: int


def read_members(file: BinaryIO, *, max_member_bytes: int) -> Iterator[TarMember]:
    """Walk over the headers of ``file``; member contents are neither read nor trusted.

    Args:
        file: seekable; read from its beginning.
        max_member_bytes: larger members are refused.

    Raises:
        BadTarError: a header is damaged or of a kind that is not allowed, a member is too
            large or reaches past the end, or the end mark is missing.
    """
    end = file.seek(0, io.SEEK_END)
    position = 0
    while True:
        file.seek(position)
        header = file.read(_BLOCK)
        if header == _END:
            return
        if len(header) < _BLOCK:
            raise BadTarError(f"the tar file is torn at byte {position}")
        try:
            info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise BadTarError(f"no plain tar header at byte {position}: {error}") from error
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.linkname:
            raise BadTarError(
                f"member {info.name!r} is a link, a folder, a device or has an extended header "
                f"(type {info.type!r}); only regular files with short names are allowed"
            )
        if not 0 <= info.size <= max_member_bytes:
            raise BadTarError(
                f"member {info.name!r} claims {info.size} bytes; at most {max_member_bytes} are "
                "allowed"
            )
        offset = position + _BLOCK
        if offset + info.size > end:
            raise BadTarError(f"member {info.name!r} reaches past the end: the tar file is torn")
        yield TarMember(info.name, offset, info.size)
        position = offset + -(-info.size // _BLOCK) * _BLOCK


class TarSink:
    """Appends members to a tar file; equal members give equal bytes (no times, no owners)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        """Bytes written so far."""

    def add(self, name: str, data: bytes) -> TarMember:
        """Append one regular file; ``name`` is ASCII of at most 100 characters."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        offset = self.size + _BLOCK
        padding = -len(data) % _BLOCK
        for piece in (info.tobuf(tarfile.USTAR_FORMAT), data, bytes(padding)):
            self._file.write(piece)
        self.size = offset + len(data) + padding
        return TarMember(name, offset, len(data))

    def finish(self) -> None:
        """Write the end mark (two empty blocks)."""
        self._file.write(_END * 2)
        self.size += 2 * _BLOCK
