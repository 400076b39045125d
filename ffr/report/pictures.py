"""Small images for a report, encoded here: bytes of others are never passed on as they are."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["MAX_SIDE", "encode", "reencode"]

MAX_SIDE = 320
"""Longest side of an image in a report, pixels."""
_MAX_PIXELS = 64_000_000


def encode(pixels: npt.NDArray[np.uint8], max_side: int = MAX_SIDE) -> bytes:
    """WebP of uint8 RGB (H, W, 3), scaled down to ``max_side`` pixels."""
    return _webp(Image.fromarray(pixels), max_side)


def reencode(data: bytes, max_side: int = MAX_SIDE) -> bytes | None:
    """WebP of an encoded image nobody vouches for; ``None`` when it is none, or far too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP"]) as image:
                if math.prod(image.size) > _MAX_PIXELS:
                    return None
                image.draft("RGB", (2 * max_side, 2 * max_side))
                return _webp(image.convert("RGB"), max_side)
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None


def _webp(image: Image.Image, max_side: int) -> bytes:
    longest = max(image.size)
    if longest > max_side:
        size = tuple(max(1, round(side * max_side / longest)) for side in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    # Pixel art of a few hundred points shows every flaw of a lossy code and costs nothing.
    small = math.prod(image.size) <= 64 * 64
    image.save(buffer, "WEBP", quality=76, method=2, lossless=small)
    return buffer.getvalue()
