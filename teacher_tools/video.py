"""The handle a tool gets instead of a path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from teacher_tools.errors import ToolError
from teacher_tools.media.types import DecodedFrame, FrameReader, SeekMode, VideoInfo

__all__ = ["Budget", "SeenFrame", "Video"]

_END_TOLERANCE_S = 0.5  # durations are told to models rounded; a little beyond means the end


@dataclass(frozen=True)
class Budget:
    """Limits of one call of a tool.

    Attributes:
        frames: most frames it may return.
        pixels: most pixels of all returned frames together.
        seconds: wall time; a call that takes longer is killed.
        reads: most frames it may take from the video.
    """

    frames: int = 32
    pixels: int = 16_777_216
    seconds: float = 20.0
    reads: int = 256

    def __post_init__(self) -> None:
        for name in ("frames", "pixels", "seconds", "reads"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"budget {name}={value!r} is not allowed; give a number above 0")


@dataclass(frozen=True)
class SeenFrame:
    """When a frame that was handed out appears; its pixels are not kept.

    Attributes:
        t_s: seconds from container start.
        pts: presentation time in the stream's ticks.
    """

    t_s: float
    pts: int


class Video:
    """One video, as tools see it: times in, frames out.

    Args:
        reader: decodes the file.
        content_id: gives the SHA-256 of the file; called only when asked for.
        budget: limits on what may be read.
    """

    def __init__(
        self, reader: FrameReader, content_id: Callable[[], str], budget: Budget | None = None
    ) -> None:
        self._reader = reader
        self._content_id = content_id
        self._budget = budget or Budget()
        self._seen: list[SeenFrame] = []

    @property
    def info(self) -> VideoInfo:
        """Duration, rate, displayed size and codec."""
        return self._reader.info

    @property
    def duration_s(self) -> float:
        """Length in seconds; cheaper than ``info``."""
        return self._reader.duration_s

    @property
    def content_id(self) -> str:
        """SHA-256 (hex) of the file's bytes."""
        return self._content_id()

    @property
    def seen(self) -> tuple[SeenFrame, ...]:
        """Frames handed out so far, in order."""
        return tuple(self._seen)

    def check_time(self, name: str, t_s: float) -> float:
        """Return ``t_s`` within the video; up to half a second past the end counts as the end.

        Raises:
            ToolError: it lies outside; ``name`` is the argument's name in the message.
        """
        if not 0 <= t_s <= self.duration_s + _END_TOLERANCE_S:
            where = "is before the start" if t_s < 0 else "is past the end"
            raise ToolError(
                f"{name}={t_s:g} {where} of the video; valid range 0.0-{self.duration_s:.1f} s"
            )
        return min(t_s, self.duration_s)

    def check_window(
        self, start_s: float, end_s: float, names: tuple[str, str] = ("start_s", "end_s")
    ) -> tuple[float, float]:
        """Return both ends within the video, as ``check_time`` does.

        Raises:
            ToolError: one lies outside, or the window is empty.
        """
        start, end = self.check_time(names[0], start_s), self.check_time(names[1], end_s)
        if start >= end:
            raise ToolError(
                f"{names[0]}={start_s:g} must be smaller than {names[1]}={end_s:g}; "
                f"valid range 0.0-{self.duration_s:.1f} s"
            )
        return start, end

    def check_count(self, name: str, count: int) -> int:
        """Return ``count`` when that many frames may be returned; tells before decoding.

        Raises:
            ToolError: the tool's budget, or what the caller has left of it, is smaller.
        """
        if count > self._budget.frames:
            raise ToolError(
                f"{name}={count} is more than the {self._budget.frames} pictures that still fit; "
                "ask for fewer"
            )
        return count

    def frames_at(
        self,
        times_s: Sequence[float],
        *,
        mode: SeekMode = "exact",
        max_frame_pixels: int | None = None,
    ) -> list[DecodedFrame]:
        """The frames on screen at ``times_s`` (seconds), in the order asked; see ``FrameReader``.

        Raises:
            ToolError: more frames than the tool's budget allows to read.
            MediaError: the file cannot be decoded there.
        """
        if len(self._seen) + len(times_s) > self._budget.reads:
            raise ToolError(
                f"{len(self._seen) + len(times_s)} frames were asked of the video; at most "
                f"{self._budget.reads} may be read in one call, ask for fewer"
            )
        frames = self._reader.frames_at(times_s, mode=mode, max_frame_pixels=max_frame_pixels)
        self._seen.extend(SeenFrame(frame.t_s, frame.pts) for frame in frames)
        return frames

    def frame_at(self, t_s: float) -> DecodedFrame:
        """The frame on screen at ``t_s``, at native resolution."""
        return self.frames_at([t_s])[0]
