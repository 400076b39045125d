"""Which frames a student sees, and at what size: one policy for SFT, RL and evaluation.

Times are the middles of equal slots, so a video without an event at its very ends loses
nothing, and no frame lies on the last, often black, picture.  Sizes follow the model's patch
grid; frames are only ever scaled down, apart from rounding to that grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ffr.config.student import FramesConfig
from ffr.errors import UserError
from student.overlay import draw_overlay
from student.prompt_parts import VideoPart
from student.subtitles import read_cues, subtitle_file
from student.time_axis import TimeAxis
from teacher_tools.media.reader import VideoReader

__all__ = [
    "fit_patch_size", "fit_size", "frame_count", "resize", "sample_times", "sample_video",
]  # fmt: skip

_CHUNK = 32  # frames decoded at once: bounds memory on large videos
_MAX_DECODED_PIXELS = 1 << 20  # larger frames are first scaled down by the decoder


def sample_times(duration_s: float, count: int) -> tuple[float, ...]:
    """Middles of ``count`` equal slots of a video of ``duration_s`` seconds.

    Raises:
        ValueError: the duration is not a positive finite number or ``count`` is below 1.
    """
    if not math.isfinite(duration_s) or duration_s <= 0 or count < 1:
        raise ValueError(
            f"duration_s={duration_s!r} with count={count} is not allowed; give a positive finite "
            "duration and at least one frame"
        )
    return tuple((i + 0.5) * duration_s / count for i in range(count))


def frame_count(duration_s: float, config: FramesConfig) -> int:
    """How many frames of a video of ``duration_s`` seconds are sampled."""
    if config.fps is None:
        return config.count
    return max(1, min(config.count, math.floor(duration_s * config.fps + 1e-6)))


def fit_size(height: int, width: int, config: FramesConfig) -> tuple[int, int]:
    """(height, width) of a sampled frame, pixels.

    ``exact_size`` wins.  Otherwise both sides become multiples of ``size_multiple``, the shape
    is kept as nearly as that allows, and height x width is at most ``max_pixels``.

    Raises:
        UserError: not even one tile of ``size_multiple`` fits in ``max_pixels``.
    """
    if config.exact_size is not None:
        return config.exact_size
    return _grid_size(height, width, config.size_multiple, config.max_pixels, "max_pixels")


def fit_patch_size(height: int, width: int, config: FramesConfig) -> tuple[int, int]:
    """(height, width) of an evidence image, pixels; as ``fit_size`` with the patch's limits."""
    if config.patch_exact_size is not None:
        return config.patch_exact_size
    return _grid_size(
        height, width, config.size_multiple, config.patch_max_pixels, "patch_max_pixels"
    )


def resize(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Scale uint8 RGB (H, W, 3) to ``size`` = (height, width), bicubic with antialiasing."""
    if image.shape[:2] == size:
        return image
    scaled = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(scaled)


def sample_video(
    path: Path, config: FramesConfig, *, on_damaged: Callable[[int], None] | None = None
) -> VideoPart:
    """Sample a video's frames with their true times.

    Args:
        path: a file that ``teacher_tools.media.access.resolve_media`` has allowed.
        config: number and size of the frames, and what is burnt into them.
        on_damaged: told how many frames are stand-ins for damaged ones
            (``DecodedFrame.intact`` is false), when there are any.

    Returns:
        The frames, read-only, uint8 RGB (``frame_count``, H, W, 3), with their true times.

    Raises:
        teacher_tools.media.errors.MediaError: the file or its subtitles cannot be read.
        UserError: the clock does not fit into a frame.
    """
    subtitles = subtitle_file(path) if config.subtitle_overlay else None
    cues = read_cues(subtitles) if subtitles else ()
    with VideoReader.open(path) as reader:
        info = reader.info
        size = fit_size(info.height, info.width, config)
        count = frame_count(info.duration_s, config)
        wanted = sample_times(info.duration_s, count)
        frames = np.empty((count, *size, 3), dtype=np.uint8)
        times: list[float] = []
        damaged = 0
        for start in range(0, count, _CHUNK):
            chunk = reader.frames_at(
                wanted[start : start + _CHUNK],
                max_frame_pixels=max(_MAX_DECODED_PIXELS, 4 * size[0] * size[1]),
            )
            for offset, frame in enumerate(chunk):
                picture = resize(frame.image, size)
                frames[start + offset] = draw_overlay(picture, frame.t_s, config, cues)
                times.append(frame.t_s)
                damaged += not frame.intact
    if damaged and on_damaged is not None:
        on_damaged(damaged)
    frames.setflags(write=False)
    return VideoPart(frames, TimeAxis(tuple(times), info.average_fps, info.duration_s))


def _grid_size(
    height: int, width: int, multiple: int, max_pixels: int, name: str
) -> tuple[int, int]:
    if height < 1 or width < 1:
        raise ValueError(f"size {height}x{width} is not allowed; give at least one pixel a side")
    tiles = max_pixels // multiple**2
    if tiles < 1:
        raise UserError(
            f"student.frames.{name}={max_pixels} is not allowed with size_multiple={multiple}; "
            f"give at least {multiple**2}"
        )
    scale = min(1.0, math.sqrt(max_pixels / (height * width)))
    rows, columns = (max(1, round(side * scale / multiple)) for side in (height, width))
    if rows * columns > tiles:
        rows, columns = (max(1, math.floor(side * scale / multiple)) for side in (height, width))
    # An extreme shape has one side pinned to a single tile: shorten the other.
    rows, columns = min(rows, max(1, tiles // columns)), min(columns, max(1, tiles // rows))
    return rows * multiple, columns * multiple
