"""Files of rows, written as a stream and there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from ffr.errors import UserError
from ffr.patches.files import sync_folder

__all__ = ["writing_lines"]


@contextlib.contextmanager
def writing_lines(target: Path) -> Iterator[Callable[[str], None]]:
    """Give a function that writes one line; the file gets its name when the block ends well.

    Raises:
        UserError: it cannot be written; nothing is left behind.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("x", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}; give another place") from error

    def write(line: str) -> None:
        try:
            file.write(line + "\n")
        except OSError as error:
            raise _unwritten(target, error) from error

    try:
        yield write
        try:
            file.flush()
            os.fsync(file.fileno())
            file.close()
            temporary.replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise _unwritten(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            file.close()
        temporary.unlink(missing_ok=True)


def _unwritten(target: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {target}: {error.strerror}; free some space")
