"""Where the other readers are known to be wrong, and that it is still so.

A test that fails here means that a library was mended: then the docstrings of
``ffmpeg_reader`` and ``decord_reader`` and the contract tests should say so.
"""

from __future__ import annotations

from typing import Any

import pytest
from torture_files.judge import all_right, question_times

from teacher_tools.media import MediaError, UndecodableError, open_reader

WRONG = [
    ("ffmpeg", "avi, h264 B-frames"),
    ("ffmpeg", "h264 intra refresh"),
    ("decord", "avi, h264 B-frames"),
    ("decord", "avi, mpeg4 B-frames"),
    ("decord", "edit list, open GOP"),
    ("decord", "hevc open GOP"),
]


@pytest.mark.parametrize(("backend", "name"), WRONG)
def test_another_frame_than_the_one_on_screen(backend: str, name: str, matrix_file: Any) -> None:
    video = matrix_file(name)
    inside, exact = question_times(video, 22, name)
    with open_reader(video.path, backend) as reader:
        frames = reader.frames_at([*inside, *exact])
    assert all_right(video, [*inside, *exact], frames) != []
    with open_reader(video.path) as default:
        assert all_right(video, inside, default.frames_at(inside)) == []


@pytest.mark.parametrize("name", ["ts", "mpeg-ps, mpeg1"])
def test_decord_is_kept_from_what_it_hangs_on(name: str, matrix_file: Any) -> None:
    with pytest.raises(UndecodableError, match=r"decord hangs.*remux"):
        open_reader(matrix_file(name).path, "decord")


def test_decord_shows_a_neighbour_for_a_damaged_frame(matrix_file: Any) -> None:
    video = matrix_file("zeros inside mp4")
    lost = [t for t in (i / 25 + 0.02 for i in range(250)) if t - video.times[video.place(t)] > 0.1]
    assert lost
    try:
        with open_reader(video.path, "decord") as reader:
            frames = reader.frames_at(lost)
    except MediaError:
        return  # an honest answer as well
    assert all(frame.intact for frame in frames)  # it does not know
