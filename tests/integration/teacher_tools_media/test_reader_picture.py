"""Frames come as a viewer sees them: rotated, with square pixels, in the right colours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from teacher_tools.media import MediaNotAllowedError, UndecodableError, VideoReader
from teacher_tools.media.picture import fit_pixels


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied(rotation: int, make_video: Any, recipe: Any, code_of: Any) -> None:
    video = make_video(recipe(pts=range(30), rotation=rotation))  # counter-clockwise, as FFmpeg
    with VideoReader.open(video.path) as reader:
        info, frame = reader.info, reader.frames_at([0.5])[0]
    upright = (320, 180) if rotation == 180 else (180, 320)
    assert (info.width, info.height) == upright
    assert frame.image.shape == (upright[1], upright[0], 3)
    assert info.rotation == (360 - rotation) % 360
    assert code_of(np.rot90(frame.image, -rotation // 90)) == 12


def test_mirrored_video_is_mirrored(make_video: Any, recipe: Any, tmp_path: Path) -> None:
    video = make_video(recipe(pts=range(5)))
    mirrored = tmp_path / "mirrored.mp4"
    with av.open(str(video.path)) as source, av.open(str(mirrored), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(0, hflip=True)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with VideoReader.open(video.path) as plain, VideoReader.open(mirrored) as flipped:
        expected = plain.frames_at([0.1])[0].image[:, ::-1]
        assert np.array_equal(flipped.frames_at([0.1])[0].image, expected)


def test_pixels_become_square(make_video: Any, recipe: Any, code_of: Any) -> None:
    video = make_video(recipe(pts=range(30), aspect=Fraction(4, 3)))
    with VideoReader.open(video.path) as reader:
        assert (reader.info.width, reader.info.height) == (427, 180)
        frame = reader.frames_at([1.0])[0]
    assert frame.image.shape == (180, 427, 3)
    assert code_of(frame.image) == 25


def test_rotated_anamorphic_video(make_video: Any, recipe: Any) -> None:
    video = make_video(recipe(pts=range(5), aspect=Fraction(4, 3), rotation=90))
    with VideoReader.open(video.path) as reader:
        assert (reader.info.width, reader.info.height) == (180, 427)
        assert reader.frames_at([0.0])[0].image.shape == (427, 180, 3)


def test_absurd_aspect_is_refused(make_video: Any, recipe: Any) -> None:
    video = make_video(recipe(pts=range(5), aspect=Fraction(40, 1)))
    with pytest.raises(UndecodableError, match="40; allowed is"):
        VideoReader.open(video.path)


@pytest.mark.parametrize("matrix", [1, 5])
def test_tagged_colours_come_back(matrix: int, tmp_path: Path) -> None:
    colours = [(200, 30, 40), (20, 180, 60), (30, 40, 210), (230, 220, 40)]
    image = np.zeros((64, 256, 3), np.uint8)
    for i, colour in enumerate(colours):
        image[:, 64 * i : 64 * (i + 1)] = colour
    path = tmp_path / "colour.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p"
        stream.codec_context.colorspace = matrix
        frame = av.VideoFrame.from_ndarray(image, "rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace, frame.pts = matrix, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader.open(path) as reader:
        seen = reader.frames_at([0.0])[0].image
    for i, colour in enumerate(colours):
        assert np.abs(seen[32, 64 * i + 32].astype(int) - colour).max() <= 4


def test_frames_are_scaled_down_to_the_limit(plain_video: Any, code_of: Any) -> None:
    with VideoReader.open(plain_video.path) as reader:
        small = reader.frames_at([2.0], max_frame_pixels=160 * 90)[0]
        whole = reader.frames_at([2.0], max_frame_pixels=10**9)[0]
    assert small.image.shape == (90, 160, 3)
    assert code_of(small.image) == 50
    assert whole.image.shape == (180, 320, 3)


def test_fit_pixels_never_exceeds_its_limit() -> None:
    for width, height, limit in [(1920, 1080, 100_000), (7, 999, 50), (16, 16, 1), (900, 2, 30)]:
        fitted = fit_pixels(width, height, limit)
        assert min(fitted) >= 1
        assert fitted[0] * fitted[1] <= limit
    assert fit_pixels(640, 360, None) == (640, 360)


def test_large_pictures_are_refused_before_decoding(plain_video: Any) -> None:
    with pytest.raises((MediaNotAllowedError, UndecodableError), match="pixels"):
        VideoReader.open(plain_video.path, max_pixels=320 * 180 - 1)
    with VideoReader.open(plain_video.path, max_pixels=320 * 180) as reader:
        assert reader.frames_at([0.0])[0].image.shape == (180, 320, 3)
