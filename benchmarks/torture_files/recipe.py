"""How to encode a file of numbered frames, and what is on screen when."""

from __future__ import annotations

import dataclasses
import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from torture_files.barcode import Image, coded_frame

__all__ = ["CodedVideo", "Options", "Recipe", "encode", "transfer"]

_MILLISECONDS = frozenset({".mkv", ".webm", ".flv", ".wmv"})

Options = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class CodedVideo:
    """A file and its truth.

    Attributes:
        path: the file.
        times: when each shown frame appears, seconds from container start, ascending.
        duration: seconds from container start to the end of the last frame.
        numbers: the number each of them shows; 0, 1, 2, … when empty.
        size: (width, height) as displayed.
        hurt: frames are missing on purpose, so a reader may warn instead of showing them.
    """

    path: Path
    times: tuple[float, ...]
    duration: float
    numbers: tuple[int, ...] = ()
    size: tuple[int, int] = (320, 180)
    hurt: bool = False

    def place(self, t: float) -> int:
        """Position in ``times`` of the frame on screen at ``t``; 0 before the first."""
        return max(0, bisect_right(self.times, t + 1e-6) - 1)

    def expected(self, t: float) -> int:
        """Number of the frame on screen at ``t``; the first one before it appears."""
        place = self.place(t)
        return self.numbers[place] if self.numbers else place

    def end_of(self, place: int) -> float:
        """When the frame at a position in ``times`` leaves the screen."""
        return self.times[place + 1] if place + 1 < len(self.times) else self.duration


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to make a file; ``pts`` counts in ``time_base``.

    Attributes:
        size: stored (width, height).
        rotation: degrees counter-clockwise, as FFmpeg counts; the picture is stored so that it
            is upright when displayed if ``upright``.
        late: ticks by which the container itself delays the pictures.
        audio_from: seconds at which silence starts; no audio when None.
    """

    pts: Sequence[int]
    name: str = "video.mp4"
    time_base: Fraction = Fraction(1, 25)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (320, 180)
    options: Options = (("g", "24"), ("bf", "3"), ("preset", "ultrafast"))
    muxer: Options = ()
    rotation: int = 0
    upright: bool = False
    aspect: Fraction | None = None
    audio_from: Fraction | None = None
    audio_seconds: float = 0.0
    audio_codec: str = "aac"
    format: str | None = None
    late: int = 0

    @property
    def displayed(self) -> tuple[int, int]:
        """Displayed (width, height): square pixels, rotated."""
        width, height = self.size
        if self.aspect:
            width = max(1, round(width * self.aspect))
        return (height, width) if self.rotation % 180 else (width, height)


def encode(recipe: Recipe, path: Path) -> CodedVideo:
    """Encode a recipe."""
    gaps = [b - a for a, b in itertools.pairwise(recipe.pts)]
    durations = dict(zip(recipe.pts, [*gaps, gaps[-1] if gaps else 1], strict=True))
    with av.open(str(path), "w", format=recipe.format, options=dict(recipe.muxer)) as container:
        stream = container.add_stream(recipe.codec, rate=Fraction(25))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = recipe.size
        stream.pix_fmt = recipe.pix_fmt
        stream.codec_context.time_base = recipe.time_base
        stream.options = dict(recipe.options)
        if recipe.aspect:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        if recipe.rotation:
            stream.set_display_rotation(recipe.rotation)
        if recipe.audio_from is not None:
            _silence(container, recipe)
        for number, pts in enumerate(recipe.pts):
            frame = av.VideoFrame.from_ndarray(_picture(recipe, number), "rgb24")
            frame = frame.reformat(format=recipe.pix_fmt)
            frame.pts, frame.time_base = pts, recipe.time_base
            _mux(container, stream.encode(frame), durations)
        _mux(container, stream.encode(None), durations)
    clock = [_stored((pts + recipe.late) * recipe.time_base, path) for pts in recipe.pts]
    start = _stored(recipe.pts[0] * recipe.time_base, path)
    if recipe.audio_from is not None:
        start = min(start, recipe.audio_from - _priming(recipe, path))
    times = tuple(float(time - start) for time in clock)
    end = times[-1] + float(durations[recipe.pts[-1]] * recipe.time_base)
    return CodedVideo(path, times, end, size=recipe.displayed)


def transfer(
    packet: av.Packet, stream: av.VideoStream, target: av.container.OutputContainer
) -> None:
    """Write a packet of another file unchanged."""
    packet.stream = stream
    target.mux(packet)


def _stored(time: Fraction, path: Path) -> Fraction:
    """A time as the container keeps it."""
    if path.suffix in _MILLISECONDS:
        return Fraction(math.floor(time * 1000 + Fraction(1, 2)), 1000)
    return time


def _priming(recipe: Recipe, path: Path) -> Fraction:
    """How long before its first sample sound begins; only transport streams cannot hide it."""
    aac_in_ts = recipe.audio_codec == "aac" and path.suffix == ".ts"
    return Fraction(1024, 48_000) if aac_in_ts else Fraction(0)


def _picture(recipe: Recipe, number: int) -> Image:
    width, height = recipe.size
    if not recipe.upright:
        return coded_frame(number, width, height)
    if recipe.rotation % 180:
        width, height = height, width
    # displayed = stored turned counter-clockwise by the rotation
    return np.ascontiguousarray(
        np.rot90(coded_frame(number, width, height), -recipe.rotation // 90)
    )


def _mux(
    container: av.container.OutputContainer, packets: list[av.Packet], durations: dict[int, int]
) -> None:
    """Write packets with the durations that only the recipe knows."""
    for packet in packets:
        packet.duration = durations.get(packet.pts, 0)
        container.mux(packet)


def _silence(container: av.container.OutputContainer, recipe: Recipe) -> None:
    assert recipe.audio_from is not None
    stream = container.add_stream(recipe.audio_codec, rate=48000)
    assert isinstance(stream, av.AudioStream)
    layout = "fltp" if recipe.audio_codec == "aac" else "s16"
    kind = np.float32 if layout == "fltp" else np.int16
    samples = 1024 if recipe.audio_codec == "aac" else 1152
    for i in range(int(recipe.audio_seconds * 48000) // samples):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), kind), layout, "mono")
        frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
        frame.pts = int(recipe.audio_from * 48000) + i * samples
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
