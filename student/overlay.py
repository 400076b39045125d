"""Burn a frame's time into its pixels.

Some students read a clock more reliably than text between frames; with
``frames.clock_overlay`` the clock is the same in SFT, RL and evaluation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from student.prompt import format_time

__all__ = ["draw_clock"]

_HEIGHT_SHARE = 12  # the clock takes one twelfth of the frame's height
_MIN_FONT_PX = 8


def draw_clock(image: npt.NDArray[np.uint8], t_s: float) -> npt.NDArray[np.uint8]:
    """A copy of ``image`` with ``4.7 s`` on a dark plate in its top left corner.

    Args:
        image: uint8 RGB (H, W, 3).
        t_s: the frame's true time, seconds.
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    font = _font(max(_MIN_FONT_PX, image.shape[0] // _HEIGHT_SHARE))
    text = format_time(t_s)
    margin = max(1, image.shape[0] // 100)
    left, top, right, bottom = draw.textbbox((margin, margin), text, font=font)
    draw.rectangle((left - margin, top - margin, right + margin, bottom + margin), fill=(0, 0, 0))
    draw.text((margin, margin), text, font=font, fill=(255, 255, 255))
    return np.asarray(picture)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
