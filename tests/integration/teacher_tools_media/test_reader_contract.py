"""What every reader keeps, whatever library is behind it."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torture_files.judge import all_right, question_times

from teacher_tools.media import (
    BACKENDS,
    BackendMissingError,
    MediaNotAllowedError,
    MediaNotFoundError,
    UndecodableError,
    open_reader,
)

COMMON = (
    "h264 B-frames",
    "h264 10 bit",
    "h264 rotated 90",
    "h264 rotated 270, anamorphic",
    "vfr mp4, B-frames",
    "vfr mkv",
    "starts at 5 s",
    "starts at 10 s, mkv",
    "video 2 s late",
    "audio longer",
    "fragmented mp4",
    "hevc",
    "cover picture first",
)
backends = pytest.mark.parametrize("backend", BACKENDS)


@backends
@pytest.mark.parametrize("name", COMMON)
def test_frame_on_screen_with_its_true_time(backend: str, name: str, matrix_file: Any) -> None:
    video = matrix_file(name)
    inside, exact = question_times(video, 8, name)
    asked = [*inside, *exact]
    with open_reader(video.path, backend) as reader:
        frames = reader.frames_at(asked)
    assert all_right(video, asked, frames) == []
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.intact


@backends
def test_facts_are_the_same(backend: str, matrix_file: Any) -> None:
    path = matrix_file("h264 rotated 270, anamorphic").path
    with open_reader(path) as default, open_reader(path, backend) as reader:
        assert reader.info == default.info
        assert reader.duration_s == default.duration_s
        frame = reader.frames_at([0.0])[0]
        assert frame.pts == default.frames_at([0.0])[0].pts
        assert frame.time_base == default.frames_at([0.0])[0].time_base


@backends
def test_pictures_look_alike(backend: str, matrix_file: Any) -> None:
    path = matrix_file("h264 B-frames").path
    with open_reader(path) as default, open_reader(path, backend) as reader:
        for limit in (None, 160 * 90):
            one = default.frames_at([3.3], max_frame_pixels=limit)[0].image.astype(int)
            other = reader.frames_at([3.3], max_frame_pixels=limit)[0].image.astype(int)
            assert one.shape == other.shape
            assert np.abs(one - other).mean() < 2.5


@backends
def test_order_repetition_and_the_ends(backend: str, plain_video: Any, code_of: Any) -> None:
    asked = [4.0, 0.0, 2.02, 4.0, 900.0, 1e300]
    with open_reader(plain_video.path, backend) as reader:
        frames = reader.frames_at(asked)
        assert reader.frames_at([]) == []
    assert [code_of(frame.image) for frame in frames] == [100, 0, 50, 100, 124, 124]
    assert frames[4].t_s == pytest.approx(124 / 25, abs=1e-3)


@backends
def test_keyframes_are_near_and_say_when(backend: str, plain_video: Any, code_of: Any) -> None:
    with open_reader(plain_video.path, backend) as reader:
        frames = reader.frames_at([0.1, 1.0, 3.7, 99.0], mode="keyframe")
    assert [code_of(frame.image) for frame in frames] == [0, 24, 96, 120]
    for frame in frames:
        assert frame.t_s == pytest.approx(code_of(frame.image) / 25, abs=1e-3)


@backends
def test_large_frames_are_scaled_down(backend: str, matrix_file: Any, code_of: Any) -> None:
    with open_reader(matrix_file("h264 rotated 90").path, backend) as reader:
        frame = reader.frames_at([1.0], max_frame_pixels=120 * 180)[0]
    assert frame.image.shape == (180, 120, 3)
    assert code_of(frame.image) == 25


@backends
@pytest.mark.parametrize("t", [-0.1, math.nan, math.inf])
def test_impossible_times_are_refused(backend: str, t: float, plain_video: Any) -> None:
    with open_reader(plain_video.path, backend) as reader, pytest.raises(ValueError, match="t="):
        reader.frames_at([0.0, t])


@backends
def test_bad_files_are_told_apart(backend: str, plain_video: Any, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 200)
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:9,\n{plain_video.path}\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaNotFoundError, match=r"gone\.mp4"):
        open_reader(tmp_path / "gone.mp4", backend)
    with pytest.raises(MediaNotAllowedError, match="regular file"):
        open_reader(tmp_path, backend)
    for path in (text, playlist):
        with pytest.raises(UndecodableError, match=path.name):
            open_reader(path, backend)
    with pytest.raises((MediaNotAllowedError, UndecodableError), match="pixels"):
        open_reader(plain_video.path, backend, max_pixels=320 * 180 - 1)


@backends
@pytest.mark.parametrize("name", ["-y.mp4", "x%03d.mp4", "a:b.mp4", "spa ce'\".mp4", "ü,[x].mp4"])
def test_strange_names_are_only_names(
    backend: str, name: str, plain_video: Any, code_of: Any, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(plain_video.path.read_bytes())
    with open_reader(path, backend) as reader:
        assert code_of(reader.frames_at([1.0])[0].image) == 25


def test_an_unknown_backend_is_named(plain_video: Any) -> None:
    with pytest.raises(BackendMissingError, match=r"'opencv'.*pyav.*ffmpeg.*decord"):
        open_reader(plain_video.path, "opencv")


def test_a_missing_decord_names_the_fix(plain_video: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(BackendMissingError, match=r"ffr\[decord\]"):
        open_reader(plain_video.path, "decord")
