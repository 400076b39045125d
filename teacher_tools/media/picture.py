"""From a decoder's frame to RGB pixels as a viewer sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType

from teacher_tools.media.types import RGBImage

__all__ = ["display_size", "fit_pixels", "orient", "orientation_of", "to_rgb"]

Orientation = tuple[int, bool]
"""Quarter turns clockwise (0..3), applied after an optional left-right flip."""


def display_size(width: int, height: int, sample_aspect: Fraction | None) -> tuple[int, int]:
    """Size with square pixels, before rotation: the width is scaled by the sample aspect ratio."""
    if not sample_aspect or sample_aspect == 1:
        return width, height
    return max(1, round(width * sample_aspect)), height


def fit_pixels(width: int, height: int, max_pixels: int | None) -> tuple[int, int]:
    """Largest size of the same shape with at most ``max_pixels`` pixels, never enlarged."""
    if max_pixels is None or width * height <= max_pixels:
        return width, height
    scale = math.sqrt(max_pixels / (width * height))
    fitted = max(1, math.floor(width * scale))
    return min(fitted, max_pixels), max(1, min(math.floor(height * scale), max_pixels // fitted))


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read the display matrix of a frame (ISO 14496-12: row vectors, 16.16 fixed point).

    Angles that are no multiple of 90 degrees are rounded to the nearest one.
    """
    side_data = cast(Mapping[SideDataType, SideData], frame.side_data)  # mistyped by PyAV
    if SideDataType.DISPLAYMATRIX not in side_data:
        return 0, False
    matrix = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32)
    a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
    if a * d - b * c == 0:
        return 0, False
    flipped = a * d - b * c < 0
    if flipped:  # undo the flip of the stored x axis, then what is left is a rotation
        a, b = -a, -b
    return round(math.degrees(math.atan2(b, a)) / 90) % 4, flipped


def orient(image: RGBImage, orientation: Orientation) -> RGBImage:
    """Apply an orientation to an image of shape (H, W, 3)."""
    turns, flipped = orientation
    if flipped:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, -turns))


def to_rgb(frame: av.VideoFrame, size: tuple[int, int]) -> RGBImage:
    """Convert to uint8 RGB (H, W, 3), scaled to ``size`` = (width, height), then oriented.

    The matrix and range tagged in the stream are honoured; HDR is not tone-mapped.
    """
    shrinks = size[0] * size[1] < frame.width * frame.height
    picture = frame.reformat(
        width=size[0],
        height=size[1],
        format="rgb24",
        interpolation="AREA" if shrinks else "BICUBIC",
    )
    pixels = np.asarray(picture.to_ndarray(), dtype=np.uint8)
    return orient(pixels, orientation_of(frame))
