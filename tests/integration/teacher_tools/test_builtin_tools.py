"""clip, zoom and timestamp on real files, called as a model calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from teacher_tools import ToolRunner, builtin_toolset
from teacher_tools.runner import ToolResult


@pytest.fixture(scope="module")
def runner() -> Iterator[ToolRunner]:
    with ToolRunner(builtin_toolset(), workers=1) as runner:
        yield runner


def frames_of(result: ToolResult) -> Any:
    assert result.evidence is not None, (result.message, result.detail)
    return result.evidence.frames


def test_clip_shows_the_window_in_order(runner: ToolRunner, plain_video: Any, code_of: Any) -> None:
    arguments = {"start_s": 1.0, "end_s": 3.0, "frames": 5}
    result = runner.call_sync("clip", json.dumps(arguments), plain_video.path)
    frames = frames_of(result)
    assert [code_of(frame.image) for frame in frames] == [25, 37, 50, 62, 75]
    for frame in frames:
        assert plain_video.expected(frame.t_s) == code_of(frame.image)
        assert frame.label == f"t={frame.t_s:.2f}s"
    assert result.arguments == arguments
    assert "1.00, 1.48, 2.00, 2.48, 3.00 s" in result.message
    assert result.evidence is not None
    assert result.evidence.span is not None
    assert (result.evidence.span.start_s, result.evidence.span.end_s) == (1.0, 3.0)


def test_clip_of_one_frame_is_the_middle(
    runner: ToolRunner, plain_video: Any, code_of: Any
) -> None:
    result = runner.call_sync("clip", '{"start_s": 1, "end_s": 2, "frames": 1}', plain_video.path)
    assert [code_of(frame.image) for frame in frames_of(result)] == [37]


def test_clip_never_shows_a_frame_twice(runner: ToolRunner, plain_video: Any, code_of: Any) -> None:
    result = runner.call_sync(
        "clip", '{"start_s": 1.0, "end_s": 1.1, "frames": 16}', plain_video.path
    )
    assert [code_of(frame.image) for frame in frames_of(result)] == [25, 26, 27]
    assert "no more frames" in result.message


def test_end_told_rounded_is_the_end(runner: ToolRunner, plain_video: Any, code_of: Any) -> None:
    result = runner.call_sync("clip", '{"start_s": 4, "end_s": 5.3, "frames": 2}', plain_video.path)
    assert [code_of(frame.image) for frame in frames_of(result)] == [100, 124]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("clip", {"start_s": 1, "end_s": 95.0}, "end_s=95 is past the end"),
        ("clip", {"start_s": 1, "end_s": 95.0}, "valid range 0.0-5.0 s"),
        ("clip", {"start_s": 3, "end_s": 2}, "start_s=3 must be smaller than end_s=2"),
        ("clip", {"start_s": 3, "end_s": 3}, "must be smaller"),
        ("zoom", {"t_s": 7, "box": [0, 0, 1, 1]}, "t_s=7 is past the end"),
        ("zoom", {"t_s": 1, "box": [0.5, 0, 0.53, 1]}, "width of 0.030; give at least 0.050"),
        ("zoom", {"t_s": 1, "box": [0, 0.5, 1, 0.51]}, "height of 0.010; give at least 0.089"),
        ("timestamp", {"start_s": 9}, "start_s=9 is past the end"),
        ("peek", {}, "unknown tool 'peek'; available: clip, zoom, timestamp"),
    ],
)
def test_refusals_tell_how_to_mend_the_call(
    name: str, arguments: dict[str, Any], words: str, runner: ToolRunner, plain_video: Any
) -> None:
    result = runner.call_sync(name, json.dumps(arguments), plain_video.path)
    assert not result.ok
    assert result.boundary is None
    assert words in result.message


def test_zoom_crops_at_native_resolution_and_scales_up(
    runner: ToolRunner, make_video: Any, recipe: Any, code_of: Any
) -> None:
    video = make_video(recipe(pts=range(10), size=(640, 360)))
    box = [0.0, 0.0, 0.5, 0.5]
    result = runner.call_sync("zoom", json.dumps({"t_s": 0.2, "box": box}), video.path)
    (crop,) = frames_of(result)
    whole = frames_of(runner.call_sync("zoom", '{"t_s": 0.2, "box": [0, 0, 1, 1]}', video.path))[0]
    assert crop.box == (0.0, 0.0, 0.5, 0.5)
    assert crop.image.shape == (378, 672, 3)
    assert crop.t_s == pytest.approx(0.2)
    assert code_of(whole.image) == 5
    assert "320x180 pixels of the video's 640x360" in result.message
    # The first eight cells of the code, each as wide in the crop as it should be.
    bits = [int(crop.image[20:40, 84 * i + 40 : 84 * i + 44].mean() > 128) for i in range(8)]
    assert bits == [0] * 8
    low = [0.5, 0.0, 1.0, 0.5]
    right = frames_of(runner.call_sync("zoom", json.dumps({"t_s": 0.2, "box": low}), video.path))
    bits = [int(right[0].image[20:40, 84 * i + 40 : 84 * i + 44].mean() > 128) for i in range(8)]
    assert int("".join(map(str, bits)), 2) == (5 << 4 | (5 * 7 + 3) % 16) & 0xFF


def test_zoom_says_which_pixels_it_really_shows(runner: ToolRunner, plain_video: Any) -> None:
    result = runner.call_sync(
        "zoom", '{"t_s": 1, "box": [0.333, 0.333, 0.666, 0.777]}', plain_video.path
    )
    (crop,) = frames_of(result)
    x0, y0, x1, y1 = (v * s for v, s in zip(crop.box, (320, 180, 320, 180), strict=True))
    assert [x0, y0, x1, y1] == pytest.approx([106, 59, 214, 140])
    assert crop.size[0] / crop.size[1] == pytest.approx(108 / 81, abs=0.02)


def test_timestamp_covers_the_video_and_burns_the_time_in(
    runner: ToolRunner, plain_video: Any, code_of: Any
) -> None:
    result = runner.call_sync("timestamp", '{"frames": 5}', plain_video.path)
    frames = frames_of(result)
    assert [code_of(frame.image) for frame in frames] == [12, 37, 62, 87, 112]
    clip = runner.call_sync("clip", '{"start_s": 0.5, "end_s": 4.5, "frames": 5}', plain_video.path)
    for plain, marked in zip(frames_of(clip), frames, strict=True):
        assert plain.pts == marked.pts
        assert marked.label == f"t={marked.t_s:.2f}s"
        assert np.array_equal(plain.image[:150], marked.image[:150])
        assert (marked.image[166:, :10].min(axis=(0, 1)) == 0).all()


def test_timestamp_by_keyframe_is_honest_about_times(
    runner: ToolRunner, plain_video: Any, code_of: Any
) -> None:
    result = runner.call_sync(
        "timestamp",
        '{"start_s": null, "end_s": null, "frames": 16, "mode": "keyframe"}',
        plain_video.path,
    )
    frames = frames_of(result)
    assert len(frames) == len({frame.pts for frame in frames})
    assert len(frames) < 16
    assert "share a frame" in result.message
    for frame in frames:
        assert code_of(frame.image) == plain_video.expected(frame.t_s)


def test_what_the_caller_has_left_limits_the_call(runner: ToolRunner, plain_video: Any) -> None:
    arguments = '{"start_s": 1, "end_s": 2, "frames": 6}'
    refused = runner.call_sync("clip", arguments, plain_video.path, max_frames=4)
    assert "frames=6 is more than the 4 pictures" in refused.message
    spent = runner.call_sync("clip", arguments, plain_video.path, max_frames=0)
    assert "no more pictures fit" in spent.message
    assert len(frames_of(runner.call_sync("clip", arguments, plain_video.path, max_frames=6))) == 6


def test_large_frames_are_shown_smaller(runner: ToolRunner, make_video: Any, recipe: Any) -> None:
    video = make_video(recipe(pts=range(10), size=(1280, 720)))
    (frame,) = frames_of(
        runner.call_sync("clip", '{"start_s": 0, "end_s": 0.3, "frames": 1}', video.path)
    )
    assert frame.size[0] * frame.size[1] <= 448 * 448
    assert frame.size[0] / frame.size[1] == pytest.approx(16 / 9, abs=0.01)
