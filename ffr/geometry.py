"""Shared vocabulary for time and place.

Seconds are floats counted from the start of the container.  Boxes are
normalised ``(x0, y0, x1, y1)`` with the origin at the top left of the frame as
displayed (rotation and sample aspect ratio already applied).
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

__all__ = ["Box", "Seconds", "Span", "check_box", "check_seconds"]

RawBox = tuple[float, float, float, float]


def check_seconds(value: float) -> float:
    """Return ``value`` when it is a finite, non-negative number of seconds.

    Raises:
        ValueError: for NaN, infinite or negative values.
    """
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"seconds={value!r} is not allowed; give a finite number >= 0")
    return value


def check_box(box: RawBox) -> RawBox:
    """Return ``box`` when it is a proper normalised box.

    Raises:
        ValueError: for NaN, values outside [0, 1], or corners out of order.
    """
    x0, y0, x1, y1 = box
    if not all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in box) or x0 >= x1 or y0 >= y1:
        raise ValueError(
            f"box={box!r} is not allowed; give (x0, y0, x1, y1) in [0, 1] with x0 < x1 and y0 < y1"
        )
    return box


Seconds = Annotated[float, AfterValidator(check_seconds)]
Box = Annotated[RawBox, AfterValidator(check_box)]


class Span(BaseModel):
    """A stretch of video, optionally narrowed to a region."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: Seconds
    end_s: Seconds
    box: Box | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if self.end_s < self.start_s:
            raise ValueError(f"end_s={self.end_s} lies before start_s={self.start_s}; swap them")
        return self
