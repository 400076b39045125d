"""Draw a demo video and encode it: H.264 with B-frames in an mp4, byte-identical for equal plans.

Identical bytes need the same PyAV (and so libx264) build; one encoder thread is part of that.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ffr.demo.layout import FRAME_SIDE, SPLITS, SlotObject, VideoPlan
from ffr.demo.vocabulary import COLOURS

__all__ = ["background", "draw_object", "render_video", "shape_mask"]

Rgb = npt.NDArray[np.uint8]

GREY = (80, 105)
"""Range of a background's mean level: below every colour's brightness, above none's darkest
channel, so that an outline shows in each channel."""
GRADIENT = 14.0
NOISE = 6.0
COLOUR_JITTER = 12
_SUPERSAMPLE = 8
_X264 = {"preset": "ultrafast", "crf": "26", "bf": "2", "g": "96", "threads": "1"}


@lru_cache(maxsize=512)
def shape_mask(shape: str, diameter: int) -> npt.NDArray[np.float32]:
    """Coverage of a shape in its box, float32 of shape (diameter, diameter) in [0, 1].

    Raises:
        ValueError: an unknown shape.
    """
    side = diameter * _SUPERSAMPLE
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    last = side - 1
    if shape == "circle":
        pen.ellipse((0, 0, last, last), fill=255)
    elif shape == "square":
        pen.rectangle((0, 0, last, last), fill=255)
    elif shape == "triangle":
        pen.polygon(((side / 2, 0), (last, last), (0, last)), fill=255)
    elif shape == "cross":
        low, high = round(side * 0.37), round(side * 0.63)
        pen.rectangle((low, 0, high, last), fill=255)
        pen.rectangle((0, low, last, high), fill=255)
    else:
        raise ValueError(f"shape={shape!r} is unknown; use circle, square, triangle or cross")
    small = image.resize((diameter, diameter), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / 255.0


def background(draw: np.random.Generator) -> Rgb:
    """Noisy grey with a slight gradient: uint8 RGB of shape (FRAME_SIDE, FRAME_SIDE, 3)."""
    ramp = np.linspace(-1.0, 1.0, FRAME_SIDE)
    tilt_x, tilt_y = draw.uniform(-GRADIENT, GRADIENT, size=2)
    level = draw.uniform(*GREY) + tilt_x * ramp[None, :] + tilt_y * ramp[:, None]
    level = level + draw.normal(0.0, NOISE, size=level.shape)
    grey = np.clip(level, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def draw_object(picture: Rgb, item: SlotObject, draw: np.random.Generator) -> Rgb:
    """A copy of ``picture`` (uint8 RGB, shape (H, W, 3)) with ``item`` on it."""
    x0, y0, x1, y1 = item.box_px
    shift = draw.integers(-COLOUR_JITTER, COLOUR_JITTER + 1, size=3)
    colour = np.clip(np.asarray(COLOURS[item.colour]) + shift, 0, 255)
    mask = shape_mask(item.shape, item.diameter)[:, :, None]
    result = picture.copy()
    under = result[y0:y1, x0:x1]
    result[y0:y1, x0:x1] = np.rint(under * (1 - mask) + colour * mask).astype(np.uint8)
    return result


def _pictures(plan: VideoPlan) -> Iterator[tuple[range, Rgb]]:
    """Runs of equal frames, in order, that cover the whole video."""
    draw = np.random.default_rng([plan.seed, SPLITS.index(plan.split), plan.number])
    empty = background(draw)
    done = 0
    for item in plan.objects:
        yield range(done, item.first_frame), empty
        yield range(item.first_frame, item.last_frame + 1), draw_object(empty, item, draw)
        done = item.last_frame + 1
    yield range(done, plan.frame_count), empty


def render_video(plan: VideoPlan) -> bytes:
    """The mp4 of ``plan``: FRAME_SIDE x FRAME_SIDE pixels, ``plan.frame_count`` frames.

    Holds the interpreter lock only while drawing, so threads render side by side.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=plan.fps, options=dict(_X264))
        stream.width = stream.height = FRAME_SIDE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / plan.fps
        stream.codec_context.thread_count = 1
        for frames, picture in _pictures(plan):
            shown = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            for number in frames:
                shown.pts = number
                shown.time_base = 1 / plan.fps
                container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return file.getvalue()
