"""Burn a frame's time, and what is said at that time, into its pixels.

Part of the sample pipeline: drawn where frames are sampled, from the frames' own time axis, so it
is the same in SFT, RL and evaluation.  Drawn after the resize, so that its size does not depend on
the source (spec video_r2 §2.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ffr.config.student import FramesConfig
from ffr.errors import UserError
from student.prompt import format_time
from student.subtitles import Cue, cue_at

__all__ = ["draw_clock", "draw_overlay", "draw_subtitle", "format_clock"]

_HEIGHT_SHARE = 12  # the clock takes one twelfth of the frame's height
_MIN_FONT_PX = 8
_CLOCK_PX = (20, 25)  # font sizes whose digits are 14 and 18 pixels high
_CLOCK_SHARE = 14
_SUBTITLE_PX = (10, 28)
_SUBTITLE_SHARE = 0.06  # of the frame's shorter side
_LINE_SHARE = 0.9  # of the frame's width
_BOX_SHARE = 0.5  # of the frame's height
_BOX_ALPHA = 140  # of 255: 0.55
_SLACK_S = 1e-6  # far below the spacing of any clock, above the rounding of seconds as floats

RGBArray = npt.NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_overlay(
    image: RGBArray, t_s: float, config: FramesConfig, cues: Sequence[Cue] = ()
) -> RGBArray:
    """``image`` with what ``config`` asks for; the same array when that is nothing.

    Args:
        image: uint8 RGB (H, W, 3).
        t_s: the frame's true time, seconds.
        config: ``clock_overlay`` and ``clock_format``.
        cues: subtitles of the video; the caller knows whether they are wanted.

    Raises:
        UserError: the clock does not fit into the frame.
    """
    if said := cue_at(cues, t_s):
        image = draw_subtitle(image, said)
    if config.clock_overlay:
        text = format_time(t_s) if config.clock_format == "seconds" else format_clock(t_s)
        image = draw_clock(image, text, fixed_size=config.clock_format == "hms")
    return image


def format_clock(t_s: float) -> str:
    """``HH:MM:SS`` of a time in seconds, rounded down."""
    seconds = math.floor(t_s + _SLACK_S)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def draw_clock(image: RGBArray, text: str, *, fixed_size: bool = False) -> RGBArray:
    """A copy of ``image`` with ``text`` on a dark plate in its top left corner.

    Args:
        image: uint8 RGB (H, W, 3).
        text: the time.
        fixed_size: digits of 14 to 18 pixels whatever the frame; else one twelfth of its height.

    Raises:
        UserError: of a fixed size, it is wider than the frame.
    """
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    size, margin = max(_MIN_FONT_PX, height // _HEIGHT_SHARE), max(1, height // 100)
    if fixed_size:
        size, margin = max(_CLOCK_PX[0], min(_CLOCK_PX[1], height // _CLOCK_SHARE)), 3
    font = _font(size)
    left, top, right, bottom = draw.textbbox((margin, margin), text, font=font)
    if fixed_size and right + margin > width:
        raise UserError(
            f"student.frames.clock_format='hms' needs frames at least {math.ceil(right + margin)} "
            f"pixels wide, this one has {width}; take larger frames or clock_format 'seconds'"
        )
    draw.rectangle((left - margin, top - margin, right + margin, bottom + margin), fill=(0, 0, 0))
    draw.text((margin, margin), text, font=font, fill=(255, 255, 255))
    return np.asarray(picture)


def draw_subtitle(image: RGBArray, text: str) -> RGBArray:
    """A copy of ``image`` with ``text`` on a half-transparent box at its bottom.

    Words wrap at 90 % of the width.  The box takes at most half of the height; lines beyond that
    are left out, and the last one shown ends with three dots.

    Args:
        image: uint8 RGB (H, W, 3).
        text: may hold line breaks.
    """
    height, width = image.shape[:2]
    smallest, largest = _SUBTITLE_PX
    size = max(smallest, min(largest, round(_SUBTITLE_SHARE * min(height, width))))
    font = _font(size)
    pad = max(1, size // 4)
    line_height = size + pad
    lines = [line for part in text.split("\n") for line in _wrapped(part, font, width)]
    most = max(1, int(_BOX_SHARE * height - pad) // line_height)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]}..."]
    picture = Image.fromarray(image).convert("RGBA")
    plate = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(plate)
    widest = max(draw.textlength(line, font=font) for line in lines)
    top = height - line_height * len(lines) - 2 * pad
    half = widest / 2 + pad
    draw.rectangle(
        (width / 2 - half, top, width / 2 + half, height - pad), fill=(0, 0, 0, _BOX_ALPHA)
    )
    for row, line in enumerate(lines):
        place = (width / 2, top + pad / 2 + row * line_height)
        draw.text(place, line, font=font, fill=(255, 255, 255, 255), anchor="ma")
    return np.asarray(Image.alpha_composite(picture, plate).convert("RGB"))


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Lines of whole words; a word wider than a line keeps a line of its own."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= _LINE_SHARE * width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=16)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)
