"""Names lead only to regular files below the root; content ids follow the bytes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from teacher_tools.media import (
    MediaNotAllowedError,
    MediaNotFoundError,
    content_id,
    resolve_media,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    (root / "a").mkdir(parents=True)
    (root / "a" / "v.mp4").write_bytes(b"12345")
    (tmp_path / "outside.mp4").write_bytes(b"secret")
    return root


def test_names_below_the_root_are_found(root: Path) -> None:
    expected = (root / "a" / "v.mp4").resolve()
    assert resolve_media("a/v.mp4", root) == expected
    assert resolve_media("a/../a/v.mp4", root) == expected
    assert resolve_media(str(root / "a" / "v.mp4"), root) == expected
    (root / "link.mp4").symlink_to(root / "a" / "v.mp4")
    assert resolve_media("link.mp4", root) == expected


@pytest.mark.parametrize(
    "name",
    [
        "", "gone.mp4", "a\0b", "file:a/v.mp4", "http://example.org/v.mp4",
        "concat:a/v.mp4|a/v.mp4",
        "subfile,,start,0,end,0,,:a/v.mp4", "pipe:0", "a/v.mp4/x",
    ],
)  # fmt: skip
def test_what_names_no_file_is_not_found(name: str, root: Path) -> None:
    with pytest.raises(MediaNotFoundError):
        resolve_media(name, root)


def test_ways_out_of_the_root_are_closed(root: Path, tmp_path: Path) -> None:
    (root / "way_out.mp4").symlink_to(tmp_path / "outside.mp4")
    (root / "up").symlink_to(tmp_path)
    for name in ["../outside.mp4", "way_out.mp4", "up/outside.mp4", str(tmp_path / "outside.mp4")]:
        with pytest.raises(MediaNotAllowedError, match="outside"):
            resolve_media(name, root)


def test_only_regular_files_of_allowed_size(root: Path) -> None:
    os.mkfifo(root / "pipe.mp4")
    for name in ["a", "pipe.mp4"]:
        with pytest.raises(MediaNotAllowedError, match="regular file"):
            resolve_media(name, root)
    with pytest.raises(MediaNotAllowedError, match="5 bytes; at most 4"):
        resolve_media("a/v.mp4", root, max_bytes=4)


def test_loop_of_links_ends(root: Path) -> None:
    (root / "x.mp4").symlink_to(root / "y.mp4")
    (root / "y.mp4").symlink_to(root / "x.mp4")
    with pytest.raises(MediaNotFoundError):
        resolve_media("x.mp4", root)


def test_content_id_follows_the_bytes(root: Path) -> None:
    path = root / "a" / "v.mp4"
    assert content_id(path) == hashlib.sha256(b"12345").hexdigest()
    path.write_bytes(b"changed")
    assert content_id(path) == hashlib.sha256(b"changed").hexdigest()
    with pytest.raises(MediaNotFoundError):
        content_id(root / "gone.mp4")
