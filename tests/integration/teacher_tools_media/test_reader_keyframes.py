"""Keyframe mode snaps to the nearest keyframe and says where it landed."""

from __future__ import annotations

from typing import Any

import pytest

from teacher_tools.media import VideoReader


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_nearest_keyframe_with_its_true_time(
    name: str, make_video: Any, recipe: Any, code_of: Any
) -> None:
    options = (("g", "25"), ("bf", "2"), ("preset", "ultrafast"), ("sc_threshold", "0"))
    video = make_video(recipe(pts=range(125), name=name, options=options))
    asked = [0.0, 0.3, 0.7, 1.9, 3.4, 4.9, 1.02]
    with VideoReader.open(video.path) as reader:
        frames = reader.frames_at(asked, mode="keyframe")
    assert [code_of(frame.image) for frame in frames] == [0, 0, 25, 50, 75, 100, 25]
    assert [frame.t_s for frame in frames] == pytest.approx([0, 0, 1, 2, 3, 4, 1], abs=2e-3)


def test_without_an_index_every_frame_is_still_a_true_one(
    make_video: Any, recipe: Any, code_of: Any
) -> None:
    video = make_video(recipe(pts=range(100), name="v.ts"))
    with VideoReader.open(video.path) as reader:
        frames = reader.frames_at([0.1, 1.5, 3.2], mode="keyframe")
    for frame in frames:
        assert code_of(frame.image) == video.expected(frame.t_s)


def test_exact_and_keyframe_calls_can_be_mixed(plain_video: Any, code_of: Any) -> None:
    with VideoReader.open(plain_video.path) as reader:
        reader.frames_at([3.0], mode="keyframe")
        exact = reader.frames_at([3.0, 0.04])
        reader.frames_at([0.0], mode="keyframe")
        again = reader.frames_at([4.0])
    assert [code_of(frame.image) for frame in (*exact, *again)] == [75, 1, 100]
