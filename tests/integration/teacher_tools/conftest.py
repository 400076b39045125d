"""Real video files whose every frame carries its number, so that the truth is known.

Each frame has sixteen black or white cells along its top: twelve bits of frame number and a
four-bit checksum.  Times are chosen by the test, so no decoder has a say in what is right.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

CELLS = 16
Image = npt.NDArray[np.uint8]


def coded_frame(number: int, width: int, height: int) -> Image:
    """A frame (height, width, 3) that shows ``number``; the rest is a pattern that moves."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    image = np.stack([(x + 3 * number) % 200, (y * 2) % 180, (x + y + number) % 160], axis=-1)
    image = image.astype(np.uint8)
    code = number << 4 | (number * 7 + 3) % 16
    cell = width // CELLS
    for i in range(CELLS):
        image[: height // 5, i * cell : (i + 1) * cell] = 255 * (code >> (CELLS - 1 - i) & 1)
    return image


def read_code(image: Image) -> int:
    """The number a frame shows; -1 when the checksum is wrong."""
    height, width = image.shape[:2]
    centres = [(2 * i + 1) * width // CELLS // 2 for i in range(CELLS)]
    band = image[height // 20 : height // 8]
    bits = [int(band[:, c - 2 : c + 3].mean() > 128) for c in centres]
    code = int("".join(map(str, bits)), 2)
    number, check = code >> 4, code & 15
    return number if check == (number * 7 + 3) % 16 else -1


@dataclasses.dataclass(frozen=True)
class CodedVideo:
    """A file, and when each of its frames appears (seconds from container start)."""

    path: Path
    times: tuple[float, ...]
    duration: float

    def expected(self, t: float) -> int:
        """Number of the frame on screen at ``t``; the first one before it appears."""
        return max(0, int(np.searchsorted(self.times, t + 1e-6, side="right")) - 1)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to make a file; ``pts`` counts in ``time_base``.

    ``late`` is by how many ticks the container itself delays the pictures.
    """

    pts: Sequence[int]
    name: str = "video.mp4"
    time_base: Fraction = Fraction(1, 25)
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (320, 180)
    options: tuple[tuple[str, str], ...] = (("g", "24"), ("bf", "3"), ("preset", "ultrafast"))
    muxer: tuple[tuple[str, str], ...] = ()
    rotation: int = 0
    aspect: Fraction | None = None
    audio_from: Fraction | None = None
    audio_seconds: float = 0.0
    format: str | None = None
    late: int = 0


def write(recipe: Recipe, path: Path) -> CodedVideo:
    """Encode a recipe."""
    width, height = recipe.size
    gaps = [b - a for a, b in itertools.pairwise(recipe.pts)]
    durations = dict(zip(recipe.pts, [*gaps, gaps[-1] if gaps else 1], strict=True))
    with av.open(str(path), "w", format=recipe.format, options=dict(recipe.muxer)) as container:
        stream = container.add_stream(recipe.codec, rate=Fraction(25))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, recipe.pix_fmt
        stream.codec_context.time_base = recipe.time_base
        stream.options = dict(recipe.options)
        if recipe.aspect:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        if recipe.rotation:
            stream.set_display_rotation(recipe.rotation)
        if recipe.audio_from is not None:
            write_audio(container, recipe.audio_from, recipe.audio_seconds)
        for number, pts in enumerate(recipe.pts):
            frame = av.VideoFrame.from_ndarray(coded_frame(number, width, height), "rgb24")
            frame = frame.reformat(format=recipe.pix_fmt)
            frame.pts, frame.time_base = pts, recipe.time_base
            mux(container, stream.encode(frame), durations)
        mux(container, stream.encode(None), durations)
    start = min(recipe.pts) * recipe.time_base
    if recipe.audio_from is not None:
        start = min(start, recipe.audio_from)
    times = tuple(float((pts + recipe.late) * recipe.time_base - start) for pts in recipe.pts)
    return CodedVideo(path, times, times[-1] + float(durations[recipe.pts[-1]] * recipe.time_base))


def mux(
    container: av.container.OutputContainer, packets: list[av.Packet], durations: dict[int, int]
) -> None:
    """Write packets with the durations that only the recipe knows."""
    for packet in packets:
        packet.duration = durations[packet.pts]
        container.mux(packet)


def write_audio(container: av.container.OutputContainer, start: Fraction, seconds: float) -> None:
    """Silence from ``start`` on."""
    stream = container.add_stream("aac", rate=16000)
    for i in range(int(seconds * 16000) // 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
        frame.pts = int(start * 16000) + i * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], CodedVideo]:
    """Encodes recipes, each only once."""
    made: dict[str, CodedVideo] = {}

    def make(recipe: Recipe) -> CodedVideo:
        key = repr(recipe)
        if key not in made:
            made[key] = write(recipe, tmp_path_factory.mktemp("video") / recipe.name)
        return made[key]

    return make


@pytest.fixture(scope="session")
def recipe() -> type[Recipe]:
    """The recipe's class."""
    return Recipe


@pytest.fixture(scope="session")
def plain_video(make_video: Callable[[Recipe], CodedVideo]) -> CodedVideo:
    """Five seconds of H.264 with B-frames at 25 frames a second, a keyframe every 24."""
    return make_video(Recipe(pts=range(125)))


@pytest.fixture(scope="session")
def code_of() -> Callable[[Image], int]:
    """Reads a frame's number."""
    return read_code
