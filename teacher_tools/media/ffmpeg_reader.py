"""Reading frames with the ffmpeg program, for comparison with the default reader.

Slower, and as exact wherever FFmpeg itself is: ``-ss t`` shows the first frame *after* t, so the
frame on screen is looked up in an index of all packets (PyAV) and picked by its presentation time.
Starting a process costs about 80 ms, the index reads the whole file once.

Known to be wrong, and tested as such: H.264 with B-frames in AVI (no presentation times; the
default reader counts pictures, ffmpeg guesses), and intra refresh (pictures shown before they are
complete).  Damage is noticed only when a frame is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ffmpeg
import numpy as np

from teacher_tools.media.errors import UndecodableError
from teacher_tools.media.ffmpeg_program import Output, find_ffmpeg, input_options, run_ffmpeg
from teacher_tools.media.frame_index import FrameIndex
from teacher_tools.media.picture import fit_pixels
from teacher_tools.media.reader import VideoReader, checked_times
from teacher_tools.media.source import FORMATS, MAX_PIXELS, Source
from teacher_tools.media.types import DecodedFrame, RGBImage, SeekMode, VideoInfo
from teacher_tools.media.walk import Deadline

__all__ = ["FfmpegReader"]

_EARLY_S = 1.0  # more than any codec reorders: a seek in decoding time stays before the target
_FALL_BACK = 64  # frames before a missing one that may stand in for it


class FfmpegReader:
    """Keeps the ``FrameReader`` protocol with one ffmpeg process for each group of pictures."""

    def __init__(self, source: Source, *, max_pixels: int, timeout_s: float) -> None:
        self._source = source
        self._probe = VideoReader(source, timeout_s=timeout_s)
        self._stream = source.stream.index
        self._max_pixels = max_pixels
        self._timeout_s = timeout_s
        self._index: FrameIndex | None = None
        self._log = ""

    @classmethod
    def open(cls, path: Path, *, max_pixels: int = MAX_PIXELS, timeout_s: float = 60.0) -> Self:
        """Open a video file; arguments and errors as ``VideoReader.open``.

        Raises:
            FfmpegMissingError: there is no ffmpeg program.
            MediaError: the file cannot be read.
        """
        find_ffmpeg()
        source = Source(path, max_pixels=max_pixels, timeout_s=timeout_s)
        return cls(source, max_pixels=max_pixels, timeout_s=timeout_s)

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
        """The frames on screen at ``times_s``, in the order asked; see ``FrameReader``.

        Raises:
            ValueError: a time is negative or not finite.
            UndecodableError: a frame cannot be had at all.
            MediaTimeoutError: it took longer than the reader's ``timeout_s``.
        """
        deadline = Deadline(self._timeout_s)
        ticks = [self._source.tick(t) for t in checked_times(times_s)]
        if self._index is None:
            self._index = FrameIndex.of(self._source, deadline)
        index = self._index
        turned = self.info.rotation % 180 != 0
        fitted = fit_pixels(*self._source.size, max_frame_pixels)
        size = fitted[::-1] if turned else fitted
        wanted = [
            index.nearest_key(tick) if mode == "keyframe" else index.pts[index.place(tick)]
            for tick in ticks
        ]
        frames: dict[int, DecodedFrame] = {}
        for group in self._groups(sorted(set(wanted))):
            frames.update(self._group(group, size, deadline))
        return [frames[pts] for pts in wanted]

    def _groups(self, wanted: list[int]) -> list[list[int]]:
        """Frames that are decoded from one keyframe; all of them where seeking is no use."""
        assert self._index is not None
        if not self._source.seekable:
            return [wanted] if wanted else []
        groups: dict[int | None, list[int]] = {}
        for pts in wanted:
            groups.setdefault(self._index.key_before(pts), []).append(pts)
        return list(groups.values())

    def _group(
        self, wanted: list[int], size: tuple[int, int], deadline: Deadline
    ) -> dict[int, DecodedFrame]:
        """Frames by asked pts; a missing one is replaced by the last that can be had before it."""
        assert self._index is not None
        key = self._index.key_before(wanted[0])
        start = None
        if key is not None and self._source.seekable:
            start = max(self._seconds(key), self._seconds(wanted[0]) - _EARLY_S)
        images = self._decode(wanted, start, size, deadline)
        frames = {
            pts: self._decoded(pts, images[pts], intact=True) for pts in wanted if pts in images
        }
        for pts in wanted:
            if pts not in frames:
                frames[pts] = self._stand_in(pts, size, deadline)
        return frames

    def _stand_in(self, pts: int, size: tuple[int, int], deadline: Deadline) -> DecodedFrame:
        assert self._index is not None
        place = self._index.place(pts)
        before = list(self._index.pts[max(0, place - _FALL_BACK) : place + 1])
        images = self._decode(before, None, size, deadline)
        if images:
            return self._decoded(max(images), images[max(images)], intact=max(images) == pts)
        images = self._decode([], None, size, deadline)  # nothing is on screen yet: the first one
        if not images:
            raise UndecodableError(
                f"video {self._source.name!r} gave no frame for {self._seconds(pts):.3f} s; the "
                f"file is damaged, re-encode it (ffmpeg said: {self._log or 'nothing'})"
            )
        first = min(images)
        return self._decoded(first, images[first], intact=True)

    def _decode(
        self, wanted: list[int], start: float | None, size: tuple[int, int], deadline: Deadline
    ) -> dict[int, RGBImage]:
        """Decode the frames with these pts that exist; the first of the file when none is named.

        One frame beyond the last is let through as well: it ends the run when some are missing.
        """
        deadline.check()
        width, height = size
        options = input_options(FORMATS, self._max_pixels)
        if start is not None and start > 0:
            options["ss"] = f"{start:.6f}"
        picked = "+".join(f"eq(pts,{pts})" for pts in wanted)
        beyond = f"gt(pts,{wanted[-1]})" if wanted else "1"
        shrinks = width * height < self._source.size[0] * self._source.size[1]
        count = len(wanted) + 1
        video = (
            ffmpeg.input(self._source.url, copyts=None, noaccurate_seek=None, **options)[
                str(self._stream)
            ]
            .filter("select", f"{picked}+{beyond}" if picked else beyond)
            .filter("showinfo", checksum=0)
            .filter("scale", width, height, flags="area" if shrinks else "bicubic")
        )
        bytes_each = width * height * 3
        output = run_ffmpeg(
            video.output(
                "pipe:1",
                format="rawvideo",
                pix_fmt="rgb24",
                fps_mode="passthrough",
                **{"frames:v": count},
            ),
            timeout_s=max(0.1, deadline.left),
            max_bytes=count * bytes_each,
        )
        self._log = output.log
        return self._images(output, set(wanted), size)

    def _images(
        self, output: Output, wanted: set[int], size: tuple[int, int]
    ) -> dict[int, RGBImage]:
        bytes_each = size[0] * size[1] * 3
        whole = len(output.data) // bytes_each
        pixels = np.frombuffer(output.data, np.uint8, whole * bytes_each)
        pictures: Any = pixels.reshape(whole, size[1], size[0], 3)
        return {
            pts: pictures[i].copy()
            for i, pts in enumerate(output.pts[:whole])
            if pts in wanted or not wanted
        }

    def _seconds(self, pts: int) -> float:
        return math.floor(self._source.seconds(pts) * 1e6) / 1e6

    def _decoded(self, pts: int, image: RGBImage, *, intact: bool) -> DecodedFrame:
        return DecodedFrame(
            t_s=self._source.seconds(pts),
            pts=pts,
            time_base=self._source.time_base,
            image=image,
            intact=intact,
        )
