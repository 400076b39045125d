"""The default reader on a third of the torture matrix; the rest is `benchmarks/torture.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torture_files import UNDECODABLE, make_file
from torture_files.judge import all_right, question_times

from teacher_tools.media import MediaError, VideoReader

SUBSET = (
    "h264 B-frames",
    "h264 open GOP",
    "h264 intra refresh",
    "h264 29.97",
    "h264 single frame",
    "h264 4:2:2 10 bit",
    "h264 odd size 321x181",
    "h264 rotated 270, anamorphic",
    "vfr mp4, B-frames",
    "vfr sparse recording",
    "vfr mkv",
    "starts at 5 s",
    "starts at 10 s, mkv",
    "video 2 s late",
    "video 2 s late, mkv",
    "audio longer",
    "fragmented mp4",
    "flv",
    "ts",
    "ts over the clock's wrap",
    "mpeg-ps, mpeg1",
    "avi, mpeg4 B-frames",
    "avi, h264 B-frames",
    "wmv",
    "webm, vp9 vfr",
    "hevc open GOP",
    "av1 10 bit, mkv",
    "edit list, open GOP",
    "edit list of three pieces",
    "ts cut at an open GOP",
    "ts begun inside a GOP",
    "ts, size changes",
    "cover picture first",
    "two video tracks",
    "zeros inside mp4",
    "ts cut off at 60 %",
)
BAD = sorted(set(UNDECODABLE) - {"picture of 16000x16000"})  # takes seconds to write


@pytest.mark.parametrize("name", SUBSET)
def test_frame_on_screen_is_the_one_that_was_encoded(name: str, matrix_file: Any) -> None:
    video = matrix_file(name)
    inside, exact = question_times(video, 22, name)
    with VideoReader.open(video.path) as reader:
        together = reader.frames_at([*inside, *exact])
        again = [reader.frames_at([t])[0] for t in inside[:8]]
    assert all_right(video, [*inside, *exact], together) == []
    for one, other in zip(again, together, strict=False):
        assert one.pts == other.pts
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize("name", SUBSET)
def test_duration_rate_and_size_are_those_of_the_file(name: str, matrix_file: Any) -> None:
    video = matrix_file(name)
    with VideoReader.open(video.path) as reader:
        info = reader.info
    sound = 9.0 if name == "audio longer" else 10.0 if "late" in name or name == "ts" else 0.0
    if not video.hurt:  # what is missing still counts in the header
        assert video.times[-1] <= info.duration_s <= max(video.duration, sound) + 0.2
    assert info.average_fps > 0
    assert (info.width, info.height) == video.size


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_shown_is_refused(name: str, tmp_path: Path) -> None:
    path = make_file(name, tmp_path)
    assert isinstance(path, Path)
    with pytest.raises(MediaError) as caught, VideoReader.open(path) as reader:
        reader.frames_at([0.0])
    assert path.name in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_damage_where_pictures_are_counted_is_admitted(matrix_file: Any, tmp_path: Path) -> None:
    """Around the hole the reader says that it is not sure; from the next keyframe on it is."""
    whole = matrix_file("avi, h264 B-frames")
    data = bytearray(whole.path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 6000] = bytes(6000)
    path = tmp_path / "holed.avi"
    path.write_bytes(data)
    times = [t + 0.01 for t in whole.times[::5]]
    with VideoReader.open(path) as reader:
        frames = reader.frames_at(times)
    answers = list(zip(times, frames, strict=True))
    unsure = [t for t, frame in answers if not frame.intact]
    assert unsure
    assert all(1.6 < t < 3.9 for t in unsure)  # the hole is at 2.6 s, keyframes every 0.96 s
    for t, frame in answers:
        if frame.intact:
            assert all_right(whole, [t], [frame]) == []
