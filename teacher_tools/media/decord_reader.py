"""Reading frames with decord, for code that already depends on it; never the default.

decord finds frames by number; they are found by time here, from the times it reports, moved to
the container's clock.  What it does with some files cannot be mended from outside (measured, spec
video_io §3; tested as such):

- MPEG-TS and MPEG-PS make it hang or return other frames: refused, remux first.
- Open GOPs, intra refresh, edit lists, MPEG-4 with B-frames, H.264 with B-frames in AVI: some
  frames are others than the one on screen.
- Damaged files: a neighbour stands in for a frame, silently; ``intact`` is always True.

It decodes in native code that cannot be interrupted: ``timeout_s`` is looked at between frames
only.  A reader must not be used in a forked child.
"""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from teacher_tools.media.errors import BackendMissingError, UndecodableError
from teacher_tools.media.picture import fit_pixels
from teacher_tools.media.reader import VideoReader, checked_times
from teacher_tools.media.source import MAX_PIXELS, Source
from teacher_tools.media.types import DecodedFrame, RGBImage, SeekMode, VideoInfo
from teacher_tools.media.walk import Deadline

__all__ = ["DecordReader"]

_REFUSED = frozenset({"mpegts", "mpeg"})


class DecordReader:
    """Keeps the ``FrameReader`` protocol as far as decord can."""

    def __init__(self, source: Source, *, timeout_s: float) -> None:
        self._source = source
        self._probe = VideoReader(source, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        if source.format_name in _REFUSED:
            raise UndecodableError(
                f"video {source.name!r} is {source.format_name}, on which decord hangs; remux it "
                "to mkv, or use the pyav backend"
            )
        decord = _decord()
        try:
            self._frames: Any = decord.VideoReader(str(source.path), num_threads=1)
            stamps = self._frames.get_frame_timestamp(range(len(self._frames)))
            self._keys = sorted(int(i) for i in self._frames.get_key_indices())
        except Exception as error:  # decord raises several kinds, one of them a bare RuntimeError
            raise UndecodableError(
                f"video {source.name!r} cannot be opened with decord; use the pyav backend"
            ) from error
        # decord counts from the first picture of the stream
        first = source.seconds(source.first_tick)
        starts = np.asarray(stamps, np.float64)[:, 0] + first
        self._order = np.argsort(starts, kind="stable")
        self._starts: list[float] = [float(t) for t in starts[self._order]]

    @classmethod
    def open(cls, path: Path, *, max_pixels: int = MAX_PIXELS, timeout_s: float = 60.0) -> Self:
        """Open a video file; arguments and errors as ``VideoReader.open``.

        Raises:
            BackendMissingError: decord is not installed.
            MediaError: the file cannot be read.
        """
        _decord()
        source = Source(path, max_pixels=max_pixels, timeout_s=timeout_s)
        try:
            return cls(source, timeout_s=timeout_s)
        except BaseException:
            source.close()
            raise

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
        self._frames = None
        self._probe.close()

    @property
    def duration_s(self) -> float:
        """Seconds from container start to the end of the last frame, as the file says."""
        return self._source.duration_s

    @property
    def info(self) -> VideoInfo:
        """Facts about the video, read with PyAV."""
        return self._probe.info

    def frames_at(
        self,
        times_s: Sequence[float],
        *,
        mode: SeekMode = "exact",
        max_frame_pixels: int | None = None,
    ) -> list[DecodedFrame]:
        """The frames decord has for ``times_s``, in the order asked; see ``FrameReader``.

        Raises:
            ValueError: a time is negative or not finite.
            UndecodableError: decord gives up on a frame.
            MediaTimeoutError: it took longer than the reader's ``timeout_s``.
        """
        deadline = Deadline(self._timeout_s)
        turned = self.info.rotation % 180 != 0
        fitted = fit_pixels(*self._source.size, max_frame_pixels)
        size = fitted[::-1] if turned else fitted
        places = [self._place(t, mode) for t in checked_times(times_s)]
        frames: dict[int, DecodedFrame] = {}
        for place in sorted(set(places)):
            deadline.check()
            frames[place] = self._decoded(place, size)
        return [frames[place] for place in places]

    def _place(self, t_s: float, mode: SeekMode) -> int:
        """Position in ``_starts`` of the frame for a time."""
        if mode == "keyframe" and self._keys:
            ranks = {int(number): rank for rank, number in enumerate(self._order)}
            return min(
                (ranks[key] for key in self._keys), key=lambda rank: abs(self._starts[rank] - t_s)
            )
        return max(0, bisect_right(self._starts, t_s + _CLOCK_S) - 1)

    def _decoded(self, place: int, size: tuple[int, int]) -> DecodedFrame:
        source = self._source
        try:
            image: RGBImage = self._frames[int(self._order[place])].asnumpy()
        except Exception as error:
            raise UndecodableError(
                f"video {source.name!r} gave no frame for {self._starts[place]:.3f} s to decord; "
                "use the pyav backend"
            ) from error
        if (image.shape[1], image.shape[0]) != size:
            shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
            how = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
            image = np.asarray(Image.fromarray(image).resize(size, how), dtype=np.uint8)
        pts = source.tick(max(0.0, self._starts[place]) + _CLOCK_S)
        return DecodedFrame(source.seconds(pts), pts, source.time_base, image)


_CLOCK_S = 1e-5  # decord keeps times in 32-bit floats


def _decord() -> Any:
    try:
        return importlib.import_module("decord")
    except (ImportError, OSError) as error:
        raise BackendMissingError(
            "backend 'decord' is not installed; `pip install 'ffr[decord]'` (package decord2, "
            "never together with decord)"
        ) from error
