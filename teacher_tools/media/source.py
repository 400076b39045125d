"""One open container: opening it safely, its clock, and where to start reading.

Opened with one decoding thread (processes scale better, spec video_io §4) and with FFmpeg's
protocols and formats restricted, so that a play list or a script dressed as video opens nothing
else (§7).
"""

from __future__ import annotations

import math
import stat
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from teacher_tools.media.errors import (
    MediaNotAllowedError,
    MediaNotFoundError,
    MediaTimeoutError,
    UndecodableError,
)
from teacher_tools.media.picture import display_size
from teacher_tools.media.walk import Deadline, packets

__all__ = ["FORMATS", "MAX_PIXELS", "Source"]

MAX_PIXELS = 16_777_216
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
_EPSILON = Fraction(1, 1_000_000)  # a pts printed as a float and asked for again is the same frame
_LATEST_S = 10_000_000.0  # keeps ticks inside 64 bits whatever is asked
_WIDEST_ASPECT = 16
_CHUNK_HEADER = 8  # bytes of an AVI chunk before its data
_UNINDEXED = frozenset({"mpegts", "mpeg", "avi"})
_REORDERED_CODECS = frozenset({"h264", "hevc"})


class Source:
    """An open file with its first real video stream.

    Attributes:
        path: the file.
        name: its name without its folder, for messages.
        stream: the video stream in use; replaced by ``reopen``.
        time_base: seconds per tick.
        size: displayed (width, height) in pixels, before rotation.
        start: the container's start on its own clock, in seconds.
        duration_s: seconds from container start to the end of the video.
        fps: average frames per second.
        at_start: nothing was read or sought since the file was opened.
    """

    def __init__(self, path: Path, *, max_pixels: int = MAX_PIXELS, timeout_s: float) -> None:
        self.name = path.name
        self.path = path
        self._max_pixels = max_pixels
        self._timeout_s = timeout_s
        self._container, self.stream = self._open()
        self.at_start = True
        self.time_base = self.stream.time_base or _EPSILON
        self.start = Fraction(self._container.start_time or 0, 1_000_000)
        try:
            self.size = self._checked_size()
            self.duration_s, self.fps = self._measure()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The file for FFmpeg, which takes a bare name for a protocol or a pattern."""
        return "file:" + str(self.path.absolute())

    @property
    def format_name(self) -> str:
        """FFmpeg's names of the container format."""
        return self._container.format.name

    @property
    def first_tick(self) -> int:
        """First tick of the video, or of the container when the video does not say."""
        start = self.stream.start_time
        return self.tick(0.0) if start is None else start

    @property
    def seekable(self) -> bool:
        """Whether other programs can be sent to a time in it; PyAV's reader backs off itself."""
        return self.format_name not in _UNINDEXED

    @property
    def counted(self) -> bool:
        """Whether pictures must be counted from the first one to know their times.

        AVI has no presentation times, so with B-frames of H.264 or HEVC only the order tells.
        """
        context = self.stream.codec_context
        return (
            self.format_name == "avi"
            and context.name in _REORDERED_CODECS
            and bool(context.has_b_frames)
        )

    def chunks(self) -> dict[int, tuple[int, int]]:
        """Of a counted file: position of each picture's data -> (its rank, its tick)."""
        entries = [entry for entry in self.stream.index_entries if entry.size]
        return {
            entry.pos + _CHUNK_HEADER: (rank, entry.timestamp) for rank, entry in enumerate(entries)
        }

    @property
    def index_shift(self) -> int:
        """Ticks from an index entry's timestamp to the pts of its frame.

        In mp4 the index counts in decoding time, so with B-frames it runs ahead.
        """
        index, start = self.stream.index_entries, self.stream.start_time
        if len(index) < 2 or start is None or index[0].is_discard:
            return 0
        return max(0, start - index[0].timestamp)

    @property
    def last_tick(self) -> int:
        """Tick at the stated end of the video."""
        return max(self.first_tick, self.tick(self.duration_s))

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def reopen(self) -> None:
        """Go back to the very first packet, whatever the format can seek."""
        self._container.close()
        self._container, self.stream = self._open()
        self.at_start = True

    def seek(self, tick: int) -> bool:
        """Go to the keyframe at or before ``tick``; False when the format cannot."""
        self.at_start = False
        try:
            self._container.seek(tick, stream=self.stream, backward=True)
        except av.FFmpegError:
            return False
        return True

    def packets(self, deadline: Deadline) -> Iterator[Packet[VideoStream]]:
        """Packets of the video from here to the end.

        Raises:
            UndecodableError: they are encrypted.
        """
        self.at_start = False
        following = packets(self._container, self.stream, deadline)
        for packet in following:
            if packet.has_sidedata("encryption_info"):
                raise UndecodableError(
                    f"video {self.name!r} is encrypted; decrypt it, this project has no keys"
                )
            yield packet
            break
        yield from following

    def tick(self, t_s: float) -> int:
        """Last tick at or before ``t_s`` seconds from container start."""
        seconds = Fraction(min(t_s, _LATEST_S)) + self.start + _EPSILON
        return math.floor(seconds / self.time_base)

    def seconds(self, pts: int) -> float:
        """Seconds from container start of a presentation time."""
        return max(0.0, float(pts * self.time_base - self.start))

    def _open(self) -> tuple[InputContainer, VideoStream]:
        start = time.monotonic()
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise MediaNotAllowedError(f"video {self.name!r} is not a regular file")
            container = av.open(
                self.url,
                options={
                    "protocol_whitelist": "file",
                    "format_whitelist": FORMATS,
                    "max_pixels": str(self._max_pixels),
                    "probesize": "5000000",
                    "analyzeduration": "5000000",
                },
                metadata_errors="replace",
                timeout=self._timeout_s,
            )
        except FileNotFoundError as error:
            raise MediaNotFoundError(
                f"video {self.name!r} does not exist; check the path"
            ) from error
        except PermissionError as error:
            raise MediaNotAllowedError(
                f"video {self.name!r} may not be read; change the file's permissions"
            ) from error
        except (av.FFmpegError, UnicodeError, OSError) as error:
            if time.monotonic() - start >= self._timeout_s:  # interrupted, whatever it says
                raise MediaTimeoutError(
                    f"video {self.name!r} took longer than {self._timeout_s:g} s to open"
                ) from error
            raise UndecodableError(
                f"video {self.name!r} is not a video this project reads (mp4, mov, mkv, webm, "
                "avi, ts, mpg, flv, ogv, wmv), or it is damaged; convert it to mp4"
            ) from error
        videos = [s for s in container.streams.video if not _is_cover(s)]
        if not videos:
            container.close()
            raise UndecodableError(
                f"video {self.name!r} has no video stream; use a file with pictures"
            )
        stream = videos[0]
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        context: VideoCodecContext | None = stream.codec_context
        if context is None:
            container.close()
            raise UndecodableError(
                f"video {self.name!r} has an unknown codec, or is damaged; convert it to H.264"
            )
        context.thread_count = 1
        context.options = {**context.options, "max_pixels": str(self._max_pixels)}
        return container, stream

    def _checked_size(self) -> tuple[int, int]:
        context = self.stream.codec_context
        if context.width <= 0 or context.height <= 0:
            raise UndecodableError(
                f"video {self.name!r} has no readable frame size, or more than "
                f"{self._max_pixels} pixels a frame; re-encode it smaller"
            )
        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        if not Fraction(1, _WIDEST_ASPECT) <= aspect <= _WIDEST_ASPECT:
            raise UndecodableError(
                f"video {self.name!r} has a sample aspect ratio of {aspect}; allowed is "
                f"1/{_WIDEST_ASPECT} to {_WIDEST_ASPECT}, re-encode it"
            )
        width, height = display_size(context.width, context.height, aspect)
        if width * height > self._max_pixels:
            raise MediaNotAllowedError(
                f"video {self.name!r} is {width}x{height} pixels; at most {self._max_pixels} "
                "pixels a frame are allowed, scale it down"
            )
        return width, height

    def _measure(self) -> tuple[float, float]:
        """Duration in seconds and frames per second, from the header or else by reading on."""
        stream = self.stream
        duration = 0.0
        if stream.duration and stream.duration > 0:
            duration = self.seconds((stream.start_time or 0) + stream.duration)
        elif self._container.duration and self._container.duration > 0:
            # Matroska: some muxers count from the start of the video, others from zero.
            end = self._container.duration / 1_000_000
            duration = self._tail_end(end) if self.start else end
        rate = float(stream.average_rate or 0)
        if duration > 0 and rate <= 0 and stream.frames > 0:
            rate = stream.frames / duration
        if duration > 0 and rate > 0:
            if self.format_name == "mpeg":  # estimated from decoding times
                duration = max(duration, self._tail_end(duration))
            return duration, rate
        return self._scan(duration)

    def _tail_end(self, latest: float) -> float:
        """End of the last packet when one seeks to ``latest``, or ``latest`` if that fails."""
        ends = []
        if self.seek(self.tick(latest)):
            ends = [
                self.seconds(packet.pts + (packet.duration or 0))
                for packet in self.packets(Deadline(self._timeout_s))
                if packet.pts is not None
            ]
        self.reopen()
        return max(ends, default=latest)

    def _scan(self, duration: float) -> tuple[float, float]:
        deadline = Deadline(self._timeout_s)
        stamps = [p.pts if p.pts is not None else p.dts for p in self.packets(deadline)]
        times = sorted(self.seconds(stamp) for stamp in stamps if stamp is not None)
        self.reopen()
        if not times:
            raise UndecodableError(
                f"video {self.name!r} carries no timestamps; remux it to mp4 or mkv first"
            )
        gap = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
        if gap <= 0:  # a single picture: its stated rate, or one second on screen
            gap = 1.0 / float(self.stream.guessed_rate or 1)
        return duration or times[-1] + gap, 1.0 / gap


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))
