"""What a tool returns: frames with their true times, and a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from PIL import Image

from ffr.geometry import RawBox, Span, check_box, check_seconds
from teacher_tools.media.types import DecodedFrame, RGBImage
from teacher_tools.video import SeenFrame

__all__ = ["Evidence", "Frame", "ToolOutput", "as_evidence"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of evidence.

    Attributes:
        image: uint8 RGB of shape (height, width, 3), as displayed.
        t_s: true time of the frame, seconds from container start.
        pts: its presentation time in the stream's ticks, if known.
        box: the part of the frame that is shown, normalised; None is the whole frame.
        label: a short caption.
        intact: False when the frame was damaged in the file (see ``DecodedFrame``).

    Raises:
        TypeError: ``image`` is not an array.
        ValueError: wrong shape or type of pixels, a bad time or a bad box.
    """

    image: RGBImage
    t_s: float
    pts: int | None = None
    box: RawBox | None = None
    label: str = ""
    intact: bool = True

    def __post_init__(self) -> None:
        image = self.image
        if not isinstance(image, np.ndarray):
            raise TypeError(
                f"image is {type(image).__name__}; give a uint8 array (H, W, 3), for a PIL image "
                'numpy.asarray(image.convert("RGB"))'
            )
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image has shape {image.shape} and type {image.dtype}; give uint8 (H, W, 3)"
            )
        check_seconds(self.t_s)
        if self.box is not None:
            check_box(self.box)

    @classmethod
    def of(cls, decoded: DecodedFrame, *, label: str = "") -> Self:
        """A whole decoded frame as evidence."""
        return cls(decoded.image, decoded.t_s, pts=decoded.pts, label=label, intact=decoded.intact)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The answer of a tool.

    Attributes:
        frames: pictures, in the order they should be looked at.
        text: what they show, or an answer in words; never longer than needed.
        span: the stretch of video (and region) the evidence comes from.
    """

    frames: tuple[Frame, ...] = ()
    text: str = ""
    span: Span | None = None

    @property
    def pixels(self) -> int:
        """Pixels of all frames together."""
        return sum(frame.size[0] * frame.size[1] for frame in self.frames)


ToolOutput: TypeAlias = Evidence | Image.Image | list[Image.Image] | str
"""What a tool may return; everything but ``Evidence`` is a short form of it."""


def as_evidence(output: object, seen: Sequence[SeenFrame]) -> Evidence:
    """Turn a tool's output into ``Evidence``.

    A picture without a time is worth little, so short forms get theirs from ``seen``, the frames
    the tool took from the video: one picture for each, or all pictures from the only one.

    Raises:
        TypeError: not one of ``ToolOutput``.
        ValueError: pictures whose times cannot be told.
    """
    if isinstance(output, Evidence):
        return output
    if isinstance(output, str):
        return Evidence(text=output)
    items = list(output) if isinstance(output, (list, tuple)) else [output]
    images = [item for item in items if isinstance(item, Image.Image)]
    if not images or len(images) < len(items):
        raise TypeError(
            f"the tool returned {type(output).__name__}; return Evidence, a PIL image, a list of "
            "PIL images, or a str"
        )
    sources = list(seen) * len(images) if len(seen) == 1 else list(seen)
    if len(sources) != len(images):
        raise ValueError(
            f"the tool read {len(seen)} frames and returned {len(images)} pictures, so their "
            "times are unknown; return Evidence(frames=(Frame(image, t_s=...), ...))"
        )
    return Evidence(
        frames=tuple(
            Frame(np.asarray(image.convert("RGB")), source.t_s, pts=source.pts)
            for image, source in zip(images, sources, strict=True)
        )
    )
