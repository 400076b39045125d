"""Make an awkward file regular without touching its pictures: MPEG-TS, MPEG-PS, raw streams.

Random access in such files is slow, or impossible; once copied into Matroska or mp4 they have an
index (spec video_io §3, the ingest rule).  Needs the ffmpeg program, except for raw streams.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.ffmpeg_program import checked_output, input_options, run_ffmpeg
from teacher_tools.media.frame_index import FrameIndex
from teacher_tools.media.raw_stream import pace
from teacher_tools.media.source import FORMATS, MAX_PIXELS, Source
from teacher_tools.media.target import writing
from teacher_tools.media.walk import Deadline

__all__ = ["Remuxed", "remux"]

_SUFFIXES = (".mkv", ".mp4")
_SAME_S = 2e-3  # Matroska keeps milliseconds


@dataclass(frozen=True)
class Remuxed:
    """A file written by ``remux``.

    Attributes:
        path: the file.
        frames: how many frames it has.
        lost: how many of the source's frames it does not have; damaged sources lose some.
    """

    path: Path
    frames: int
    lost: int


def remux(
    source: Path,
    target: Path,
    *,
    frame_rate: float | None = None,
    overwrite: bool = False,
    timeout_s: float = 600.0,
) -> Remuxed:
    """Copy the video stream that readers use, and all sound, into a seekable file.

    Every frame keeps its time (seconds from container start), which is checked afterwards.

    Args:
        source: a file, already checked by ``resolve_media`` when its name is not trusted.
        target: ``*.mkv`` (takes every codec) or ``*.mp4``.
        frame_rate: frames per second of a raw stream (``.h264``, ``.hevc``), which has no times;
            None for everything else.
        overwrite: replace ``target`` if it exists.
        timeout_s: wall time in seconds for the copy, and again for checking it.

    Raises:
        FfmpegMissingError: there is no ffmpeg program (raw streams do without).
        MediaWriteError: the target is not allowed, ffmpeg failed, or a frame's time would change.
        MediaError: the source cannot be read.
    """
    with writing(target, _SUFFIXES, overwrite=overwrite, reads=source) as scratch:
        if frame_rate is None:
            before, stream = _times(source, timeout_s)
            _copy(source, scratch, stream, timeout_s)
            after, _ = _times(scratch, timeout_s)
            lost = _lost(source.name, before, after)
        else:
            lost = pace(source, scratch, frame_rate, timeout_s)
            after, _ = _times(scratch, timeout_s)
    return Remuxed(target, len(after), lost)


def _copy(source: Path, target: Path, stream: int, timeout_s: float) -> None:
    given = ffmpeg.input(
        "file:" + str(source.absolute()), fflags="+genpts", **input_options(FORMATS, MAX_PIXELS)
    )
    command = ffmpeg.output(
        given[str(stream)], given["a?"], "file:" + str(target), c="copy", map_metadata=-1
    ).overwrite_output()
    checked_output(
        run_ffmpeg(command, timeout_s=timeout_s, writes_files=True), f"remuxing {source.name!r}"
    )


def _times(path: Path, timeout_s: float) -> tuple[list[float], int]:
    """Times of all frames in seconds from container start, and the stream's number."""
    source = Source(path, timeout_s=timeout_s)
    try:
        index = FrameIndex.of(source, Deadline(timeout_s))
        start = source.start
        times = [float(pts * source.time_base - start) for pts in index.pts]
        return times, source.stream.index
    finally:
        source.close()


def _lost(name: str, before: Sequence[float], after: Sequence[float]) -> int:
    for time in after:
        place = bisect_left(before, time - _SAME_S)
        if place == len(before) or before[place] > time + _SAME_S:
            raise MediaWriteError(
                f"remuxing {name!r} would move a frame to {time:.3f} s, where there was none; "
                "try the other of .mkv and .mp4, or re-encode the file"
            )
    return max(0, len(before) - len(after))
