"""Text burnt into pictures; drawn by Pillow, never by FFmpeg's filters (spec video_io §7)."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from teacher_tools.media.types import RGBImage

__all__ = ["burn_in"]

_MIN_PX, _MAX_PX = 10, 40
_SHARE = 14  # the text is one fourteenth of the picture's shorter side


def burn_in(image: RGBImage, text: str) -> RGBImage:
    """Return a copy with ``text`` on a dark plate in the lower left corner.

    The picture keeps its size, so that normalised boxes mean the same on it.
    """
    height, width = image.shape[:2]
    size = max(_MIN_PX, min(_MAX_PX, min(height, width) // _SHARE))
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    font = _font(size)
    pad = max(2, size // 5)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    plate_top = height - int(bottom - top) - 2 * pad
    draw.rectangle((0, plate_top, int(right - left) + 2 * pad, height), fill=(0, 0, 0))
    draw.text((pad - left, plate_top + pad - top), text, font=font, fill=(255, 255, 255))
    return np.asarray(picture, dtype=np.uint8)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
