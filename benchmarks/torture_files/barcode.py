"""A frame's number as sixteen black or white cells along its top."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_NUMBER", "Image", "coded_frame", "read_code"]

Image = npt.NDArray[np.uint8]
"""uint8 RGB of shape (height, width, 3)."""

MAX_NUMBER = 4095
_CELLS = 16  # twelve bits of number, four of checksum


@lru_cache(maxsize=8)
def _grid(width: int, height: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return x, y


def coded_frame(number: int, width: int, height: int) -> Image:
    """A frame that shows ``number`` (0..4095); the rest is a pattern that moves."""
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"number={number} does not fit; give 0 to {MAX_NUMBER}")
    x, y = _grid(width, height)
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = (x + 3 * number) % 200
    image[..., 1] = (y * 2) % 180
    image[..., 2] = (x + y + number) % 160
    code = number << 4 | (number * 7 + 3) % 16
    for i in range(_CELLS):
        bit = code >> (_CELLS - 1 - i) & 1
        image[: height // 5, i * width // _CELLS : (i + 1) * width // _CELLS] = 255 * bit
    return image


def read_code(image: Image) -> int:
    """The number a frame shows; -1 when the checksum is wrong."""
    height, width = image.shape[:2]
    reach = max(1, width // 160)
    centres = [(2 * i + 1) * width // _CELLS // 2 for i in range(_CELLS)]
    band = image[height // 20 : max(height // 20 + 1, height // 8)]
    bits = [int(band[:, c - reach : c + reach + 1].mean() > 128) for c in centres]
    code = int("".join(map(str, bits)), 2)
    number, check = code >> 4, code & 15
    return number if check == (number * 7 + 3) % 16 else -1
