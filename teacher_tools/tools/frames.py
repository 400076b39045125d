"""What the built-in tools share: which times to look at, and how to speak of them."""

from __future__ import annotations

from collections.abc import Iterable

from teacher_tools.media.types import DecodedFrame

__all__ = ["CLIP_FRAME_PIXELS", "distinct", "time_label", "times_in_words"]

CLIP_FRAME_PIXELS = 448 * 448
"""Most pixels of one frame of a series; enough to read a scene, not a number plate (zoom does)."""


def distinct(frames: Iterable[DecodedFrame]) -> list[DecodedFrame]:
    """Drop repetitions of a frame, keeping the order; asked times may fall on one frame."""
    return list({frame.pts: frame for frame in frames}.values())


def time_label(t_s: float) -> str:
    """A time as captions and labels show it."""
    return f"t={t_s:.2f}s"


def times_in_words(frames: Iterable[DecodedFrame]) -> str:
    """The true times of frames, for the text that goes with them."""
    return ", ".join(f"{frame.t_s:.2f}" for frame in frames) + " s"
