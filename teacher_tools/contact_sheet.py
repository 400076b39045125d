"""All frames of an answer on one page, for people."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from teacher_tools.evidence import Evidence
from teacher_tools.media.types import RGBImage

__all__ = ["contact_sheet"]

_CELL_PX = 320
_CAPTION_PX = 20
_GAP_PX = 6
_PAPER = (245, 245, 245)
_INK = (30, 30, 30)


def contact_sheet(evidence: Evidence) -> RGBImage:
    """Lay out the frames in a near-square grid, each with its label or time below.

    Returns:
        uint8 RGB of shape (height, width, 3).

    Raises:
        ValueError: there are no frames.
    """
    count = len(evidence.frames)
    if count == 0:
        raise ValueError("the evidence has no frames; there is nothing to lay out")
    thumbs = []
    for frame in evidence.frames:
        thumb = Image.fromarray(frame.image)
        thumb.thumbnail((_CELL_PX, _CELL_PX))
        thumbs.append(thumb)
    columns = math.ceil(math.sqrt(count))
    cell_width = max(thumb.width for thumb in thumbs)
    cell_height = max(thumb.height for thumb in thumbs) + _CAPTION_PX
    rows = math.ceil(count / columns)
    sheet = Image.new(
        "RGB",
        (
            columns * cell_width + (columns + 1) * _GAP_PX,
            rows * cell_height + (rows + 1) * _GAP_PX,
        ),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_CAPTION_PX - 7)
    for i, (frame, thumb) in enumerate(zip(evidence.frames, thumbs, strict=True)):
        row, column = divmod(i, columns)
        x = _GAP_PX + column * (cell_width + _GAP_PX)
        y = _GAP_PX + row * (cell_height + _GAP_PX)
        sheet.paste(thumb, (x, y))
        caption = frame.label or f"t={frame.t_s:.2f}s"
        draw.text((x, y + thumb.height + 2), caption, font=font, fill=_INK)
    return np.asarray(sheet, dtype=np.uint8)
