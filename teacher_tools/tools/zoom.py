"""zoom: one region of one frame, at native resolution."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ffr.geometry import Span
from teacher_tools.errors import ToolError
from teacher_tools.evidence import Evidence, Frame
from teacher_tools.media.picture import fit_pixels
from teacher_tools.media.types import RGBImage
from teacher_tools.schema import Box, Seconds
from teacher_tools.tool import teacher_tool
from teacher_tools.tools.frames import time_label
from teacher_tools.video import Budget, Video

__all__ = ["zoom"]

_MAX_PIXELS = 1024 * 1024
_MIN_SIDE_PX = 16
_MIN_SHARE = 0.02
_TARGET_PX = 672  # longer side of a small crop after scaling up
_MAX_SCALE = 4.0  # beyond this, scaling up shows nothing but blur


@teacher_tool(budget=Budget(frames=1, pixels=_MAX_PIXELS, seconds=10.0, reads=1))
def zoom(video: Video, t_s: Seconds, box: Box) -> Evidence:
    """Show one region of one frame at full resolution, to read or recognise small things.

    Args:
        video: Injected; models never see it.
        t_s: Moment of the frame, in seconds from the start of the video.
        box: Region as [x0, y0, x1, y1], each from 0 to 1: left, top, right and bottom edge as
            shares of the frame's width and height.
    """
    frame = video.frame_at(video.check_time("t_s", t_s))
    height, width = frame.image.shape[:2]
    left, top, right, bottom = _pixels(box, width, height)
    crop = _scaled(frame.image[top:bottom, left:right])
    shown = (left / width, top / height, right / width, bottom / height)
    text = (
        f"Region {', '.join(f'{v:.3f}' for v in shown)} at {frame.t_s:.2f} s: "
        f"{right - left}x{bottom - top} pixels of the video's {width}x{height}."
    )
    return Evidence(
        frames=(
            Frame(
                crop,
                frame.t_s,
                pts=frame.pts,
                box=shown,
                label=time_label(frame.t_s),
                intact=frame.intact,
            ),
        ),
        text=text,
        span=Span(start_s=frame.t_s, end_s=frame.t_s, box=shown),
    )


def _pixels(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[int, int, int, int]:
    """Whole pixels that cover ``box``; refuses what is too small to show anything."""
    x0, y0, x1, y1 = box
    for name, share, side in (("width", x1 - x0, width), ("height", y1 - y0, height)):
        least = min(1.0, max(_MIN_SHARE, _MIN_SIDE_PX / side))
        if share < least - 1e-9:
            raise ToolError(
                f"box={list(box)} has a {name} of {share:.3f}; give at least {least:.3f} "
                f"of this video's {side} pixels"
            )
    return (
        math.floor(x0 * width + 1e-6),
        math.floor(y0 * height + 1e-6),
        math.ceil(x1 * width - 1e-6),
        math.ceil(y1 * height - 1e-6),
    )


def _scaled(crop: RGBImage) -> RGBImage:
    """Scale a small crop up towards ``_TARGET_PX``, and a huge one down to the pixel limit."""
    height, width = crop.shape[:2]
    scale = min(_MAX_SCALE, max(1.0, _TARGET_PX / max(width, height)))
    size = fit_pixels(max(1, round(width * scale)), max(1, round(height * scale)), _MAX_PIXELS)
    if size == (width, height):
        return np.ascontiguousarray(crop)
    resampled = Image.fromarray(crop).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(resampled, dtype=np.uint8)
