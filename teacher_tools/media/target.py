"""Writing a media file: complete or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from teacher_tools.media.errors import MediaWriteError

__all__ = ["writing"]


@contextmanager
def writing(
    target: Path, suffixes: Sequence[str], *, overwrite: bool, reads: Path
) -> Iterator[Path]:
    """Yield a path beside ``target`` to write to; it becomes ``target`` if nothing is raised.

    Raises:
        MediaWriteError: another kind of file, no such folder, the file that is being read, or it
            exists and ``overwrite`` is not set.
    """
    if target.suffix.lower() not in suffixes:
        raise MediaWriteError(f"target {target.name!r} must end with {' or '.join(suffixes)}")
    if not target.parent.is_dir():
        raise MediaWriteError(f"the folder of target {target.name!r} does not exist; make it")
    if target.exists():
        if reads.exists() and target.samefile(reads):
            raise MediaWriteError(f"target {target.name!r} is the source; give another name")
        if not overwrite:
            raise MediaWriteError(
                f"target {target.name!r} exists; give another name, or overwrite=True"
            )
    scratch = target.absolute().with_name(f".{uuid.uuid4().hex}{target.suffix.lower()}")
    try:
        yield scratch
        os.replace(scratch, target)  # noqa: PTH105 - atomic, and says so
    finally:
        scratch.unlink(missing_ok=True)
