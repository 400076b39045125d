"""Write-once files that are safe for many writers, on local disks, NFS and Lustre.

A file appears under its final name complete or not at all: unique temporary name in the same
directory (O_EXCL), write, fsync, rename or link, fsync of the directory (spec video_io §6).  No
locks.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from ffr.errors import UserError

__all__ = [
    "StoreError",
    "create_atomic",
    "move_to_quarantine",
    "shard_path",
    "sync_folder",
    "write_atomic",
]

_FIXES = {
    errno.ENOSPC: "free space there or choose another folder",
    errno.EDQUOT: "free space in your quota or choose another folder",
    errno.EACCES: "give yourself write permission or choose another folder",
    errno.EPERM: "give yourself write permission or choose another folder",
    errno.EROFS: "choose a folder on a writable file system",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder",
}
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_HOST = socket.gethostname().split(".")[0][:32] or "host"


class StoreError(UserError):
    """The store cannot be read or written; the message names the path and the fix."""

    @classmethod
    def from_os_error(cls, action: str, path: Path, error: OSError) -> StoreError:
        """Turn an ``OSError`` of ``action`` on ``path`` into one readable line."""
        fix = _FIXES.get(error.errno or 0, "check the disk or choose another folder")
        return cls(f"cannot {action} {path}: {error.strerror or error}; {fix}")


def shard_path(root: Path, name: str, suffix: str = "") -> Path:
    """``root/aa/bb/<name><suffix>`` with ``aa``, ``bb`` the first two bytes of a hex ``name``."""
    return root / name[:2] / name[2:4] / f"{name}{suffix}"


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` so that no reader ever sees part of it; replaces what was there.

    Raises:
        StoreError: the folder cannot be made or the file cannot be written (full disk,
            permissions).  Nothing is left behind under the final name.
    """
    try:
        _publish(path, data, lambda temporary: temporary.replace(path))
    except OSError as error:
        raise StoreError.from_os_error("write", path, error) from error


def create_atomic(path: Path, data: bytes) -> bool:
    """Write ``data`` to ``path`` unless something is there; of many writers one is first.

    A hard link makes the name, since a rename would replace another writer's file.  File
    systems without hard links get a rename: there two writers in the same instant may both be
    told that they were first.

    Returns:
        Whether this call made the file.

    Raises:
        StoreError: as ``write_atomic``.
    """
    if path.exists():
        return False
    try:
        _publish(path, data, lambda temporary: _link(temporary, path))
    except FileExistsError:
        # A file in place of a folder raises the same error, but leaves no file at ``path``.
        if path.exists():
            return False
        raise StoreError.from_os_error(
            "write", path, OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        ) from None
    except OSError as error:
        raise StoreError.from_os_error("write", path, error) from error
    return True


def move_to_quarantine(path: Path, root: Path, *, required: bool = False) -> Path | None:
    """Move a corrupt file to ``root/quarantine``, out of every reader's way, for inspection.

    Args:
        path: the file.
        root: of the records or images.
        required: fail also where nothing may be written; otherwise the file stays there, which
            is safe, since every reader finds it corrupt again.

    Returns:
        Its new place, or ``None`` when it stays or another process moved it first.

    Raises:
        StoreError: the file cannot be moved.
    """
    target = root / "quarantine" / f"{path.name}.{secrets.token_hex(4)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _READ_ONLY and not required:
            return None
        raise StoreError.from_os_error("quarantine", path, error) from error
    return target


def sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot sync a folder are left as they are."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _publish(path: Path, data: bytes, name: Callable[[Path], object]) -> None:
    """Write a synced temporary file, let ``name`` give it its final name, sync the folders."""
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.{secrets.token_hex(6)}.tmp")
    made = _make_folder(path.parent)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        name(temporary)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    for folder in (path.parent, *made):
        sync_folder(folder)


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder; returns the parents that got a new entry and must be synced, deepest first."""
    if folder.is_dir():
        return []
    changed = [folder.parent]
    while not changed[-1].is_dir():
        changed.append(changed[-1].parent)
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _link(temporary: Path, path: Path) -> None:
    """Name ``temporary`` ``path`` unless that exists; takes the temporary name away.

    Raises:
        FileExistsError: another writer was first.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        # Over NFS a link may succeed and its lost reply be answered by "exists".
        if temporary.stat().st_nlink < 2:
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        temporary.replace(path)
        return
    temporary.unlink(missing_ok=True)
