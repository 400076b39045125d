"""Files are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.target import writing


def test_the_target_appears_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "clip.MP4"
    with writing(target, (".mp4",), overwrite=False, reads=tmp_path / "source.mp4") as scratch:
        scratch.write_bytes(b"new")
        assert scratch.suffix == ".mp4"
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"old")

    def fail_half_way() -> None:
        with writing(target, (".mp4",), overwrite=True, reads=tmp_path / "source.mp4") as scratch:
            scratch.write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_exists_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    target = tmp_path / "clip.mkv"
    target.write_bytes(b"old")
    with (
        pytest.raises(MediaWriteError, match=r"clip\.mkv.* exists"),
        writing(target, (".mkv",), overwrite=False, reads=tmp_path / "source.mp4"),
    ):
        pytest.fail("nothing may be written")
    with writing(target, (".mkv",), overwrite=True, reads=tmp_path / "source.mp4") as scratch:
        scratch.write_bytes(b"new")
    assert target.read_bytes() == b"new"
