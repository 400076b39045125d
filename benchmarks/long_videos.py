"""Long videos made cheaply: ten seconds are encoded, their packets repeated with shifted times.

An hour of 1080p takes seconds to write.  Every frame n is on screen from n / 25 s on, keyframes
lie exactly ``gop`` frames apart, and nothing else depends on the length of the file.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

__all__ = ["FPS", "TICKS", "long_video"]

FPS = 25
TICKS = 512
"""Ticks of a frame in the file's time base, 1 / 12800."""

_SEGMENT_FRAMES = 750  # a multiple of every keyframe distance in use
_BITS_PER_PIXEL = 0.07


def long_video(folder: Path, height: int, gop: int, seconds: int) -> Path:
    """A 16:9 H.264 mp4 with B-frames, three references and closed groups; made when missing.

    Args:
        folder: keeps the files, several gigabytes for hour-long ones.
        height: in pixels.
        gop: frames from keyframe to keyframe; divides 750.
        seconds: length, a multiple of 30.
    """
    path = folder / f"{height}p_gop{gop}_{seconds}s.mp4"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        segment = folder / f"{height}p_gop{gop}_segment.mp4"
        if not segment.is_file():
            _encode(_unfinished(segment), height, gop)
            _unfinished(segment).replace(segment)
        _repeat(segment, _unfinished(path), seconds * FPS // _SEGMENT_FRAMES)
        _unfinished(path).replace(path)
    return path


def _unfinished(path: Path) -> Path:
    return path.with_suffix(f".{os.getpid()}.part.mp4")


def _encode(path: Path, height: int, gop: int) -> None:
    width = height * 16 // 9
    scene = _scene(height, width)
    with av.open(str(path), "w", options={"video_track_timescale": str(FPS * TICKS)}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = int(width * height * FPS * _BITS_PER_PIXEL)
        stream.options = {
            "preset": "veryfast", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0",
            "bf": "3", "refs": "3",
        }  # fmt: skip
        stream.codec_context.thread_count = 1
        for number in range(_SEGMENT_FRAMES):
            frame = av.VideoFrame.from_ndarray(_picture(scene, number, height, width), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _scene(height: int, width: int) -> npt.NDArray[np.uint8]:
    """A picture twice as large as the view, with detail at every scale."""
    rng = np.random.default_rng(height)
    shape = (2 * height, 2 * width)
    scene = np.zeros(shape, np.float32)
    for step in (4, 16, 64, 256):
        coarse = rng.standard_normal((shape[0] // step + 1, shape[1] // step + 1))
        fine = np.kron(coarse.astype(np.float32), np.ones((step, step), np.float32))
        scene += fine[: shape[0], : shape[1]] * step**0.4
    low, high = float(scene.min()), float(scene.max())
    return np.asarray((scene - low) * (255 / (high - low)), dtype=np.uint8)


def _picture(
    scene: npt.NDArray[np.uint8], number: int, height: int, width: int
) -> npt.NDArray[np.uint8]:
    """The view pans over the scene while bars move in front; planar YUV 4:2:0."""
    turn = 2 * np.pi * number / _SEGMENT_FRAMES  # the last frame leads on to the first
    top = int((1 + np.sin(2 * turn)) * height / 4)
    left = int((1 + np.cos(3 * turn)) * width / 4)
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = scene[top : top + height, left : left + width]
    for bar in range(6):
        x = int(width * ((bar + 0.5) / 6 + 0.07 * np.sin((bar + 2) * turn)))
        y = int(height * (0.5 + 0.4 * np.cos((bar + 1) * turn)))
        picture[y : y + height // 8, x : x + width // 40] = 40 * bar
    chroma = scene[top // 2 : top // 2 + height // 4, left : left + width]
    picture[height : height + height // 4] = 96 + chroma // 4
    return picture


def _repeat(segment: Path, path: Path, times: int) -> None:
    with av.open(str(segment)) as source:
        original = source.streams.video[0]
        packets = [
            (bytes(packet), packet.pts, packet.dts, packet.duration, packet.is_keyframe)
            for packet in source.demux(original)
            if packet.dts is not None and packet.pts is not None
        ]
        with av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(original)
            for turn in range(times):
                shift = turn * _SEGMENT_FRAMES * TICKS
                for data, pts, dts, duration, is_keyframe in packets:
                    packet = av.Packet(data)
                    packet.pts, packet.dts, packet.duration = pts + shift, dts + shift, duration
                    packet.time_base = Fraction(1, FPS * TICKS)
                    packet.is_keyframe = is_keyframe
                    packet.stream = stream
                    target.mux(packet)
