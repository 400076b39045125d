"""Ingest keeps every frame at its time; an exported clip shows what was on screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torture_files.judge import all_right, question_times

from teacher_tools.media import MediaError, VideoReader, open_reader
from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.export import export_clip
from teacher_tools.media.ingest import remux


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    "name", ["ts", "ts over the clock's wrap", "mpeg-ps, mpeg2", "video 2 s late", "starts at 5 s"]
)
def test_remuxed_files_show_the_same_at_the_same_time(
    name: str, suffix: str, matrix_file: Any, tmp_path: Path
) -> None:
    video = matrix_file(name)
    made = remux(video.path, tmp_path / f"copy{suffix}")
    assert (made.frames, made.lost) == (len(video.times), 0)
    asked, _ = question_times(video, 12, name)
    backends = ("pyav", "decord") if name.startswith("ts") else ("pyav",)
    for backend in backends:  # decord refuses the original
        with open_reader(made.path, backend) as reader:
            assert all_right(video, asked, reader.frames_at(asked)) == []
    assert [path.name for path in tmp_path.iterdir()] == [made.path.name]


@pytest.mark.parametrize(
    "raw",
    [
        {"name": "v.h264", "format": "h264"},
        {
            "name": "v.hevc", "format": "hevc", "codec": "libx265",
            "options": (("preset", "ultrafast"), ("x265-params", "bframes=4:log-level=none")),
        },
        {"name": "v.m2v", "format": "mpeg2video", "codec": "mpeg2video",
         "options": (("g", "15"), ("bf", "2"), ("b", "3000000"))},
    ],
)  # fmt: skip
def test_raw_streams_get_an_even_pace(
    raw: dict[str, Any], make_video: Any, recipe: Any, tmp_path: Path
) -> None:
    video = make_video(recipe(pts=range(60), **raw))
    with pytest.raises(MediaError):
        remux(video.path, tmp_path / "copy.mkv")
    made = remux(video.path, tmp_path / "copy.mkv", frame_rate=25)
    assert (made.frames, made.lost) == (60, 0)
    asked, _ = question_times(video, 12, raw["name"])
    with VideoReader.open(made.path) as reader:
        assert all_right(video, asked, reader.frames_at(asked)) == []


def test_a_copy_that_would_move_frames_is_refused(matrix_file: Any, tmp_path: Path) -> None:
    with pytest.raises(MediaWriteError, match="would move a frame"):
        remux(matrix_file("edit list, open GOP").path, tmp_path / "copy.mkv")
    assert list(tmp_path.iterdir()) == []


def test_targets_are_checked(plain_video: Any, tmp_path: Path) -> None:
    path, there = plain_video.path, tmp_path / "there.mkv"
    there.write_bytes(b"precious")
    own = tmp_path / "own.mp4"
    own.symlink_to(path)
    with pytest.raises(MediaWriteError, match="exists"):
        remux(path, there)
    with pytest.raises(MediaWriteError, match="is the source"):
        remux(path, own, overwrite=True)
    with pytest.raises(MediaWriteError, match="must end with"):
        remux(path, tmp_path / "copy.exe")
    with pytest.raises(MediaWriteError, match="folder"):
        remux(path, tmp_path / "gone" / "copy.mkv")
    for rate in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(MediaWriteError, match="frame_rate"):
            remux(path, tmp_path / "copy.mkv", frame_rate=rate)
    with pytest.raises(MediaWriteError, match="raw"):
        remux(path, tmp_path / "copy.mkv", frame_rate=25)
    assert there.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["own.mp4", "there.mkv"]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("h264 B-frames", 1.03, 4.5),
        ("h264 B-frames", 9.0, 99.0),
        ("vfr sparse recording", 3.0, 15.0),
        ("vfr mkv", 2.5, 5.0),
        ("ts", 3.0, 5.0),
        ("h264 rotated 90", 1.0, 2.0),
        ("edit list, open GOP", 0.0, 1.0),
    ],
)
def test_a_clip_shows_what_was_on_screen(
    name: str, start: float, end: float, matrix_file: Any, code_of: Any, tmp_path: Path
) -> None:
    video = matrix_file(name)
    clip = export_clip(video.path, tmp_path / "clip.mp4", start, end)
    assert (clip.start_s, clip.end_s) == (start, pytest.approx(min(end, video.duration), abs=0.05))
    times = [start + (clip.end_s - start) * i / 29.7 for i in range(30)]
    with VideoReader.open(clip.path) as reader:
        frames = reader.frames_at([t - start for t in times])
        info = reader.info
    assert [code_of(frame.image) for frame in frames] == [video.expected(t) for t in times]
    assert info.duration_s == pytest.approx(clip.end_s - start, abs=0.06)
    assert (info.width, info.height, info.codec) == (clip.width, clip.height, "h264")
    assert (clip.width, clip.height) == video.size
    assert clip.frames == len({video.place(start)} | {
        i for i, t in enumerate(video.times) if start <= t < clip.end_s - 1e-6
    })  # fmt: skip


def test_impossible_clips_are_refused(plain_video: Any, tmp_path: Path) -> None:
    nan = float("nan")
    for start, end in [(2.0, 2.0), (3.0, 2.0), (-1.0, 2.0), (nan, 2.0), (0.0, nan), (50.0, 60.0)]:
        with pytest.raises(MediaWriteError, match="start_s="):
            export_clip(plain_video.path, tmp_path / "clip.mp4", start, end)
    with pytest.raises(MediaWriteError, match="crf"):
        export_clip(plain_video.path, tmp_path / "clip.mp4", 0.0, 1.0, crf=99)
    assert list(tmp_path.iterdir()) == []


def test_clips_are_scaled_down_to_even_sizes(plain_video: Any, tmp_path: Path) -> None:
    clip = export_clip(plain_video.path, tmp_path / "clip.mp4", 1.0, 1.2, max_frame_pixels=161 * 91)
    assert clip.width * clip.height <= 161 * 91
    assert (clip.width % 2, clip.height % 2) == (0, 0)
