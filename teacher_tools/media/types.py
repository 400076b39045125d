"""What a reader gives, and the protocol every reader keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

__all__ = ["DecodedFrame", "FrameReader", "OpenReader", "RGBImage", "SeekMode", "VideoInfo"]

RGBImage = npt.NDArray[np.uint8]
"""uint8 RGB of shape (height, width, 3)."""

SeekMode = Literal["exact", "keyframe"]
"""``exact``: the frame on screen at t; ``keyframe``: the keyframe nearest to t, 5x cheaper."""


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video.

    Attributes:
        duration_s: seconds from container start to the end of the last frame, as the file says.
        average_fps: frames per second, on average.
        width: pixels as displayed (sample aspect ratio and rotation applied).
        height: pixels as displayed.
        codec: FFmpeg's name of the video codec.
        container: FFmpeg's names of the container format.
        rotation: clockwise degrees the stored picture is turned by for display: 0, 90, 180, 270.
    """

    duration_s: float
    average_fps: float
    width: int
    height: int
    codec: str
    container: str
    rotation: int


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One frame in display geometry.

    Attributes:
        t_s: when it appears, seconds from container start (its pts, not the wish).
        pts: presentation time in ticks of ``time_base``, as stored.
        time_base: seconds per tick.
        image: uint8 RGB of shape (height, width, 3).
        intact: False when the frame due at the asked time is damaged, and this one is either
            the last good one before it or was decoded with errors.
    """

    t_s: float
    pts: int
    time_base: Fraction
    image: RGBImage
    intact: bool = True


class FrameReader(Protocol):
    """Random access to the frames of one file."""

    @property
    def info(self) -> VideoInfo:
        """Facts about the video; may decode one frame on first use."""
        ...

    @property
    def duration_s(self) -> float:
        """Same as ``info.duration_s``, without decoding anything."""
        ...

    def frames_at(
        self,
        times_s: Sequence[float],
        *,
        mode: SeekMode = "exact",
        max_frame_pixels: int | None = None,
    ) -> list[DecodedFrame]:
        """The frames on screen at ``times_s``, in the order asked.

        Args:
            times_s: seconds from container start, finite and >= 0. Before the first frame the
                first one is given, after the end the last one; ``t_s`` tells.
            mode: see ``SeekMode``.
            max_frame_pixels: scale larger frames down to at most this many pixels each.
        """
        ...

    def close(self) -> None:
        """Free the file; using the reader afterwards is an error."""
        ...


class OpenReader(FrameReader, Protocol):
    """A reader that closes itself at the end of a ``with`` block."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
