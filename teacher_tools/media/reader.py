"""The default reader: frame-exact random access with PyAV.

The rule everywhere: t is seconds from container start, and the frame returned is the one on
screen at t, that is the one with the largest pts <= t.  Its true time comes with it.

A native hang can only be stopped from outside: files nobody vouches for belong into the worker
process of ``teacher_tools.runner``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from teacher_tools.media.find import find_exact, find_keyframes
from teacher_tools.media.picture import fit_pixels, orientation_of, to_rgb
from teacher_tools.media.source import MAX_PIXELS, Source
from teacher_tools.media.types import DecodedFrame, SeekMode, VideoInfo
from teacher_tools.media.walk import Deadline

__all__ = ["MAX_PIXELS", "VideoReader", "checked_times"]


class VideoReader:
    """Random access to one video file; a context manager, not safe for threads.

    Keeps the ``FrameReader`` protocol.
    """

    def __init__(self, source: Source, *, timeout_s: float) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._info: VideoInfo | None = None

    @classmethod
    def open(cls, path: Path, *, max_pixels: int = MAX_PIXELS, timeout_s: float = 60.0) -> Self:
        """Open a video file.

        Args:
            path: a file, already checked by ``resolve_media`` when its name is not trusted.
            max_pixels: most pixels of a frame, displayed; larger videos are refused undecoded.
            timeout_s: wall time of opening, and of each ``frames_at`` call, in seconds.

        Raises:
            MediaError: one of its subclasses in ``errors``.
        """
        source = Source(path, max_pixels=max_pixels, timeout_s=timeout_s)
        return cls(source, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    @property
    def source(self) -> Source:
        """The open file, for code that reads packets; decoding moves it."""
        return self._source

    @property
    def duration_s(self) -> float:
        """Seconds from container start to the end of the last frame, as the file says."""
        return self._source.duration_s

    @property
    def info(self) -> VideoInfo:
        """Facts about the video; the first use decodes one frame to learn the rotation.

        Raises:
            UndecodableError: no frame can be decoded.
        """
        if self._info is None:
            source = self._source
            turns = 0

            def keep(_: int, frame: av.VideoFrame, __: bool) -> None:
                nonlocal turns
                turns = orientation_of(frame)[0]

            find_exact(source, [source.tick(0.0)], Deadline(self._timeout_s), keep)
            width, height = source.size if turns % 2 == 0 else source.size[::-1]
            self._info = VideoInfo(
                duration_s=source.duration_s,
                average_fps=source.fps,
                width=width,
                height=height,
                codec=source.stream.codec_context.name,
                container=source.format_name,
                rotation=90 * turns,
            )
        return self._info

    def frames_at(
        self,
        times_s: Sequence[float],
        *,
        mode: SeekMode = "exact",
        max_frame_pixels: int | None = None,
    ) -> list[DecodedFrame]:
        """The frames on screen at ``times_s``, in the order asked; see ``FrameReader``.

        Raises:
            ValueError: a time is negative or not finite.
            UndecodableError: a frame cannot be had at all.
            MediaTimeoutError: it took longer than ``timeout_s``.
        """
        checked_times(times_s)
        deadline = Deadline(self._timeout_s)
        size = fit_pixels(*self._source.size, max_frame_pixels)
        ticks = [self._source.tick(t) for t in times_s]
        wanted = sorted(set(ticks))
        frames: dict[int, DecodedFrame] = {}

        def keep(tick: int, frame: av.VideoFrame, intact: bool) -> None:
            frames[tick] = self._decoded(frame, size, intact)

        find = find_keyframes if mode == "keyframe" else find_exact
        find(self._source, wanted, deadline, keep)
        return [frames[tick] for tick in ticks]

    def _decoded(self, frame: av.VideoFrame, size: tuple[int, int], intact: bool) -> DecodedFrame:
        assert frame.pts is not None  # the walk passes on no other
        return DecodedFrame(
            t_s=self._source.seconds(frame.pts),
            pts=frame.pts,
            time_base=self._source.time_base,
            image=to_rgb(frame, size),
            intact=intact,
        )


def checked_times(times_s: Sequence[float]) -> Sequence[float]:
    """Return ``times_s`` when all are finite and >= 0.

    Raises:
        ValueError: one is not.
    """
    for t in times_s:
        if not math.isfinite(t) or t < 0:
            raise ValueError(f"t={t!r} is not allowed; give finite seconds >= 0")
    return times_s
