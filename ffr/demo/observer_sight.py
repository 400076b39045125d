"""What the scripted observer can tell from pixels, without knowing colours or shapes.

Two questions are answered about one image: is there a patch of strong colour on an
otherwise grey picture, and where (``Look.box``); and what does the picture look like
very coarsely (``Look.thumb``), so that two pictures can be compared.  Method: ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ffr.geometry import RawBox

__all__ = ["Look", "change_between", "largest_component", "look_at"]

_SIDE = 160
"""Longest side pixels are examined at."""
_THUMB = 24
_MIN_CONTRAST = 45.0
"""Least chroma (largest minus smallest channel, 0..255) above the background's."""
_GREY_CHROMA = 30.0
"""A background above this chroma is not grey: the picture is real footage."""
_MIN_PIXELS = 4


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen in one image.

    Attributes:
        grey: whether the background is grey, so that ``box`` means something.
        box: normalised box of the patch of strong colour, ``None`` when there is none.
        area: share of the picture that patch covers, 0..1.
        thumb: coarse brightness, float32 of shape (24, 24) in 0..255.
    """

    grey: bool
    box: RawBox | None
    area: float
    thumb: npt.NDArray[np.float32]

    @property
    def side(self) -> float:
        """Longer side of the box as a share of the picture; 0 when there is none."""
        if self.box is None:
            return 0.0
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0)


def look_at(image: Image.Image) -> Look:
    """Examine one image of any mode and size."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    thumb = np.asarray(
        rgb.convert("L").resize((_THUMB, _THUMB), Image.Resampling.BOX), dtype=np.float32
    )
    scale = _SIDE / max(rgb.size)
    if scale < 1:
        size = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
        rgb = rgb.resize(size, Image.Resampling.BOX)
    # A small blur takes out sensor noise, whose channels vary independently.
    pixels = np.asarray(rgb.filter(ImageFilter.BoxBlur(1)))
    chroma = np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2]) - np.minimum(
        np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2]
    )
    # A low percentile, because an object may cover half of the picture.
    background = float(np.percentile(chroma, 20))
    peak = float(chroma.max())
    grey = background <= _GREY_CHROMA
    if not grey or peak - background < _MIN_CONTRAST:
        return Look(grey=grey, box=None, area=0.0, thumb=thumb)
    found = largest_component(chroma > background + 0.5 * (peak - background))
    if found is None or found[0] < _MIN_PIXELS:
        return Look(grey=True, box=None, area=0.0, thumb=thumb)
    pixels_found, (x0, y0, x1, y1) = found
    height, width = chroma.shape
    box = (x0 / width, y0 / height, x1 / width, y1 / height)
    return Look(grey=True, box=box, area=pixels_found / chroma.size, thumb=thumb)


def change_between(first: Look, second: Look) -> float:
    """Mean absolute difference of brightness (0..255) between two pictures."""
    return float(np.abs(first.thumb - second.thumb).mean())


def largest_component(
    mask: npt.NDArray[np.bool_],
) -> tuple[int, tuple[int, int, int, int]] | None:
    """Pixel count and half-open box (x0, y0, x1, y1) of the largest 4-connected region.

    Args:
        mask: bool of shape (H, W).

    Returns:
        ``None`` when no pixel is set.
    """
    edges = np.diff(mask.astype(np.int8), axis=1, prepend=0, append=0)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    if not len(starts):
        return None
    rows = starts[:, 0].tolist()
    lefts, rights = starts[:, 1].tolist(), ends[:, 1].tolist()
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    above = 0  # first run of the row above that may still touch the current one
    for run in range(len(rows)):
        while rows[above] < rows[run] - 1 or (
            rows[above] == rows[run] - 1 and rights[above] <= lefts[run]
        ):
            above += 1
        other = above
        while rows[other] == rows[run] - 1 and lefts[other] < rights[run]:
            parent[root(other)] = root(run)
            other += 1

    sizes: dict[int, int] = {}
    boxes: dict[int, tuple[int, int, int, int]] = {}
    for run, (row, left, right) in enumerate(zip(rows, lefts, rights, strict=True)):
        key = root(run)
        sizes[key] = sizes.get(key, 0) + right - left
        x0, y0, x1, y1 = boxes.get(key, (left, row, right, row + 1))
        boxes[key] = (min(x0, left), min(y0, row), max(x1, right), max(y1, row + 1))
    best = max(sizes, key=lambda key: sizes[key])
    return sizes[best], boxes[best]
