"""A video by what it shows: perceptual hashes of a few frames, alike for copies of any coding.

One hash is 64 bits (DCT of a 32 x 32 grey picture, low frequencies against their median), the
well-known "pHash"; written here because the library for it brings SciPy along.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from teacher_tools.media.types import RGBImage

__all__ = ["HASHING", "as_bits", "frame_hash", "sample_times"]

HASHING = "dct64-bars"
"""Name of the way of hashing; findings of another way are not reused."""

_SIDE, _LOW = 32, 8
_BLACK = 32  # grey level up to which a whole line counts as a bar, coding noise included
_LEAST = 0.4  # share of the lines that must remain
_FLAT = 6.0  # grey levels; a frame with less contrast than this looks like every other such frame


def frame_hash(image: RGBImage) -> str | None:
    """The hash of a frame, 16 hexadecimal digits; ``None`` for one with next to no contrast.

    Args:
        image: uint8 RGB of shape (height, width, 3).
    """
    picture = _without_bars(np.asarray(Image.fromarray(image).convert("L")))
    small = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float64)
    if grey.std() < _FLAT:
        return None
    basis = _cosines()
    low = (basis @ grey @ basis.T)[:_LOW, :_LOW].ravel()
    low[0] = np.median(low[1:])  # brightness says nothing about the picture
    bits = low > low[0]
    return np.packbits(bits).tobytes().hex()


def sample_times(duration_s: float, count: int) -> list[float]:
    """The middles of ``count`` equal parts of a video, in seconds."""
    return [duration_s * (i + 0.5) / count for i in range(count)]


def as_bits(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes as 64-bit numbers of shape (n,)."""
    return np.array([int(text, 16) for text in hashes], dtype=np.uint64)


def _without_bars(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture without black bars, which players and editors add."""
    rows = np.flatnonzero(grey.max(axis=1) > _BLACK)
    columns = np.flatnonzero(grey.max(axis=0) > _BLACK)
    if len(rows) < grey.shape[0] * _LEAST or len(columns) < grey.shape[1] * _LEAST:
        return grey  # a dark picture, not one with bars
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@cache
def _cosines() -> npt.NDArray[np.float64]:
    k, n = np.arange(_LOW)[:, None], np.arange(_SIDE)[None, :]
    return np.asarray(np.cos(np.pi * k * (2 * n + 1) / (2 * _SIDE)), dtype=np.float64)
