"""A stretch of a video as an mp4 file that plays everywhere.  Needs the ffmpeg program."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.ffmpeg_program import checked_output, input_options, run_ffmpeg
from teacher_tools.media.frame_index import FrameIndex
from teacher_tools.media.picture import fit_pixels
from teacher_tools.media.reader import VideoReader
from teacher_tools.media.source import FORMATS, MAX_PIXELS, Source
from teacher_tools.media.target import writing
from teacher_tools.media.walk import Deadline

__all__ = ["ExportedClip", "export_clip"]

_CLOSING_S = 0.04  # the last frame is shown once more, this long before the end


@dataclass(frozen=True)
class ExportedClip:
    """A file written by ``export_clip``.

    Attributes:
        path: the mp4 file; its time 0 is ``start_s`` of the source.
        start_s: start of the stretch in the source, seconds from container start.
        end_s: end of the stretch in the source, not beyond the source's own end.
        frames: how many frames of the source it shows.
        width: pixels, an even number.
        height: pixels, an even number.
    """

    path: Path
    start_s: float
    end_s: float
    frames: int
    width: int
    height: int


def export_clip(
    source: Path,
    target: Path,
    start_s: float,
    end_s: float,
    *,
    max_frame_pixels: int | None = None,
    crf: int = 18,
    overwrite: bool = False,
    timeout_s: float = 300.0,
) -> ExportedClip:
    """Write what is on screen from ``start_s`` to ``end_s`` as H.264, without sound.

    The frame on screen at ``start_s`` is shown from time 0 on, every later one at its own time
    less ``start_s``: nothing is dropped, doubled or moved to a fixed rate.  Upright, with square
    pixels.  The file ends at ``end_s - start_s``, give or take one frame.

    Args:
        source: a file, already checked by ``resolve_media`` when its name is not trusted.
        target: ``*.mp4``.
        start_s: seconds from container start.
        end_s: seconds from container start; beyond the end of the video means its end.
        max_frame_pixels: scale larger frames down to at most this many pixels each.
        crf: quality of x264, 0 (lossless) to 51.
        overwrite: replace ``target`` if it exists.
        timeout_s: wall time in seconds.

    Raises:
        FfmpegMissingError: there is no ffmpeg program.
        MediaWriteError: an argument or the target is not allowed, or ffmpeg failed.
        MediaError: the source cannot be read.
    """
    if not 0 <= crf <= 51:
        raise MediaWriteError(f"crf={crf!r} is not allowed; give 0 (lossless) to 51")
    deadline = Deadline(timeout_s)
    with (
        writing(target, (".mp4",), overwrite=overwrite, reads=source) as scratch,
        VideoReader(Source(source, timeout_s=timeout_s), timeout_s=timeout_s) as reader,
    ):
        end = min(end_s, reader.duration_s)
        if not (math.isfinite(start_s) and 0 <= start_s < end):
            raise MediaWriteError(
                f"start_s={start_s!r}, end_s={end_s!r} is no stretch of this video; give "
                f"0 <= start_s < end_s, with start_s below {reader.duration_s:.3f}"
            )
        clip = _Clip(
            reader.source, reader.info.rotation % 180 != 0, start_s, end, max_frame_pixels, deadline
        )
        checked_output(
            run_ffmpeg(clip.command(scratch, crf), timeout_s=deadline.left, writes_files=True),
            f"exporting a clip of {source.name!r}",
        )
    return ExportedClip(target, start_s, end, clip.frames, *clip.size)


class _Clip:
    """Which frames belong to a stretch, and the command that writes them."""

    def __init__(
        self,
        source: Source,
        turned: bool,
        start_s: float,
        end_s: float,
        max_frame_pixels: int | None,
        deadline: Deadline,
    ) -> None:
        self._source = source
        index = FrameIndex.of(source, deadline)
        self._start, self._end = source.tick(start_s), source.tick(end_s)
        self._first = index.pts[index.place(self._start)]
        first = index.place(self._start)
        last = max(first, bisect_left(index.pts, self._end) - 1)
        self._last = index.pts[last]
        self.frames = last - first + 1
        key = index.key_before(self._first)
        self._seek = None if key is None or not source.seekable else source.seconds(key)
        width, height = fit_pixels(*source.size, max_frame_pixels)
        if turned:
            width, height = height, width
        self.size = max(2, width // 2 * 2), max(2, height // 2 * 2)  # 4:2:0 needs even numbers
        self._hold = self._end - max(1, round(_CLOSING_S / source.time_base))

    def command(self, scratch: Path, crf: int) -> ffmpeg.nodes.OutputStream:
        """Compose the ffmpeg command."""
        source, base = self._source, self._source.time_base
        options = input_options(FORMATS, MAX_PIXELS)
        if self._seek:
            options["ss"] = f"{math.floor(self._seek * 1e6) / 1e6:.6f}"
        given = ffmpeg.input(source.url, copyts=None, noaccurate_seek=None, **options)
        video = given[str(source.stream.index)].filter(
            "select", f"between(pts,{self._first},{self._last})"
        )
        time = f"max(PTS-{self._start},0)"
        if self._hold > self._last:  # the last frame stays on screen until the end
            video = video.filter("tpad", stop=1, stop_mode="clone")
            time = f"if(eq(N,{self.frames}),{self._hold - self._start},{time})"
        video = (
            video.filter("setpts", time)
            .filter("scale", *self.size, flags="bicubic")
            .filter("setsar", 1)
        )
        return video.output(
            "file:" + str(scratch),
            vcodec="libx264", preset="veryfast", crf=crf, pix_fmt="yuv420p", bf=0, threads=1,
            fps_mode="passthrough", enc_time_base=f"{base.numerator}:{base.denominator}",
            movflags="+faststart", map_metadata=-1,
        ).overwrite_output()  # fmt: skip
