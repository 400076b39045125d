"""Decode forward from a seek point and catch the frames that are on screen at given ticks.

Why not simply decode until ``frame.pts > t``: packets carry their pts before they are decoded,
so looking a few packets ahead tells which frames are wanted.  Unwanted non-reference frames are
then skipped (H.264 and HEVC), and the walk ends without decoding past the last wanted frame.
Packet durations are never used: they are missing or wrong in variable-frame-rate files
(measured, spec video_io §3).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from teacher_tools.media.errors import MediaTimeoutError

__all__ = ["Catch", "Deadline", "Walk", "packets"]

_LOOKAHEAD = 24  # packets; more than any codec reorders
_NEVER = 2**62  # a due time that no frame has
_MAX_DEMUX_ERRORS = 16
_SKIPPING_CODECS = frozenset({"h264", "hevc"})  # measured wrong by one frame on AV1


class Deadline:
    """A point in time after which reading gives up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the end; negative afterwards."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise ``MediaTimeoutError`` when the time is over."""
        if time.monotonic() > self._end:
            raise MediaTimeoutError(
                f"reading took longer than {self.seconds:g} s; ask for fewer frames or remux "
                "the file with an index (mp4 or mkv)"
            )


class Catch:
    """The best frame so far for one asked tick.

    Attributes:
        tick: the asked time in the stream's time base.
        due: largest packet pts <= tick seen so far: the frame that should be on screen.
        beyond: packets seen whose dts lies after ``tick`` (two make ``due`` final).
        frame: the decoded frame with the largest pts <= tick so far.
        done: nothing better can come.
    """

    __slots__ = ("beyond", "done", "due", "frame", "tick")

    def __init__(self, tick: int) -> None:
        self.tick = tick
        self.due: int | None = None
        self.beyond = 0
        self.frame: av.VideoFrame | None = None
        self.done = False

    def see(self, packet: Packet[VideoStream]) -> None:
        """Learn from a packet before it is decoded."""
        if packet.is_discard:
            return  # cut away by an edit list, with times that mean nothing
        pts = packet.pts
        if pts is not None and pts <= self.tick:
            self.due = pts if self.due is None else max(self.due, pts)
        if packet.dts is not None and packet.dts > self.tick:
            self.beyond += 1

    def offer(self, frame: av.VideoFrame, pts: int) -> None:
        """Take the frame if it is a better answer, and notice when the answer is final."""
        if pts > self.tick:
            self.done = True
            return
        if self.frame is None or self.frame.pts is None or pts >= self.frame.pts:
            self.frame = frame
        if self.beyond >= 2 and pts == self.due:
            self.done = True

    @property
    def intact(self) -> bool:
        """Whether the frame is the one due, undamaged."""
        frame = self.frame
        return (
            frame is not None
            and not frame.is_corrupt
            and (self.due is None or (frame.pts is not None and frame.pts >= self.due))
        )


def packets(
    container: InputContainer, stream: VideoStream, deadline: Deadline
) -> Iterator[Packet[VideoStream]]:
    """Packets from the current position to the end; damaged stretches are stepped over."""
    errors = 0
    while True:
        try:
            for packet in container.demux(stream):
                deadline.check()
                if packet.size == 0 and packet.dts is None:
                    return  # the demuxer's end marker
                errors = 0
                yield packet
            return
        except av.EOFError:
            return
        except av.FFmpegError:
            errors += 1
            if errors > _MAX_DEMUX_ERRORS:
                return


class Walk:
    """One pass over packets from a seek point.

    Args:
        source: packets in decode order, starting at a keyframe.
        stream: decodes them.
        catches: what to look for, filled in place.
        skip: allow skipping of unwanted non-reference frames.
        from_start: the source starts at the beginning of the file.
        chunks: given where presentation times are worthless: position of each packet -> (rank,
            tick); the n-th picture shown gets the tick of the n-th packet. Needs ``from_start``.
        patient: read on until the first frame comes, however late.
        on_done: called once for each catch that is final, as early as possible.

    Attributes:
        from_start: as given, or found out from the first packet. Frames that precede the first
            keyframe in display order are trusted only then.
        first_dts: decoding time of the first packet, if there was one.
        first_frame: the first trusted frame.
    """

    def __init__(
        self,
        source: Iterator[Packet[VideoStream]],
        stream: VideoStream,
        catches: list[Catch],
        *,
        skip: bool,
        from_start: bool,
        chunks: Mapping[int, tuple[int, int]] | None = None,
        patient: bool = False,
        on_done: Callable[[Catch], None],
    ) -> None:
        self._source = source
        self._stream = stream
        self._waiting = list(catches)
        self._window: deque[Packet[VideoStream]] = deque()
        self._context = stream.codec_context
        self._skip = skip and chunks is None and self._context.name in _SKIPPING_CODECS
        self._chunks = chunks
        self._clock: deque[int] = deque()
        self._rank = -1
        self._trusted_from: int | None = None
        self._next_key: int | None = None
        self._inside = 0  # packets given to the decoder less frames it gave
        self._delay: int | None = None
        self._patient = patient
        self._lag = 0
        self._started = False
        self.from_start = from_start
        self._on_done = on_done
        self.first_dts: int | None = None
        self.first_frame: av.VideoFrame | None = None

    def run(self) -> None:
        """Walk until every catch is final or the packets end."""
        self._context.skip_frame = "DEFAULT"
        reading = True
        while self._waiting:
            while reading and len(self._window) < _LOOKAHEAD and self._wants_more():
                packet = next(self._source, None)
                if packet is None:
                    reading = False
                else:
                    self._read(packet)
            if not self._window:
                break
            self._decode(self._window.popleft())
        if self._waiting:
            self._decode(None)
        for catch in self._waiting:
            self._on_done(catch)
        self._waiting = []

    def _wants_more(self) -> bool:
        if self._patient and not self._started:
            return True
        return any(catch.beyond < 2 for catch in self._waiting)

    def _read(self, packet: Packet[VideoStream]) -> None:
        if self._chunks is not None:
            self._place(packet, self._chunks)
        if self.first_dts is None:
            self.first_dts = packet.dts if packet.dts is not None else packet.pts
        stamp = packet.pts if packet.pts is not None else packet.dts
        if self._trusted_from is None and packet.is_keyframe and stamp is not None:
            self._trusted_from = stamp + self._lag
            start = self._stream.start_time
            if start is not None and stamp <= start:
                self.from_start = True
        elif self._next_key is None and packet.is_keyframe and stamp is not None:
            self._next_key = stamp
        if packet.pts is None:
            self._skip = False
        if stamp is not None and self._is_trusted(stamp):
            for catch in self._waiting:
                catch.see(packet)
        self._window.append(packet)

    def _is_trusted(self, pts: int) -> bool:
        # After a seek, what precedes the first keyframe, in decoding order or (leading pictures
        # of an open GOP) in display order, references frames that were not decoded.
        if self.from_start:
            return True
        return self._trusted_from is not None and pts >= self._trusted_from

    def _place(self, packet: Packet[VideoStream], chunks: Mapping[int, tuple[int, int]]) -> None:
        """Give a packet its true tick; where some before it are lost, doubt until a keyframe."""
        packet.pts = None
        if packet.dts is None or not packet.size:
            return
        place = -1 if packet.pos is None else packet.pos
        rank, packet.dts = chunks.get(place, (self._rank + 1, packet.dts))
        if rank != self._rank + 1:
            lost_from = self._clock[-1] if self._clock else packet.dts
            for catch in self._waiting:
                if catch.tick >= lost_from - _LOOKAHEAD:
                    catch.due = _NEVER
        if packet.is_keyframe:
            for catch in self._waiting:
                if catch.tick >= packet.dts:
                    catch.due = None
        self._rank = rank
        self._clock.append(packet.dts)

    def _count(self, fed: bool, frames: list[av.VideoFrame]) -> None:
        """Give frames their times by counting; a growing delay means that one was lost."""
        self._inside += fed
        for frame in frames:
            self._inside -= 1
            frame.pts = self._clock.popleft() if self._clock else None
            self._delay = self._inside if self._delay is None else self._delay
        if self._delay is not None and self._inside > self._delay:
            for catch in self._waiting:  # from here on the count is wrong
                catch.due = _NEVER

    def _starts_whole(self, pts: int) -> bool:
        """Whether the first frame is the keyframe itself; else trust only what comes much later.

        With intra refresh there is no whole keyframe: the decoder keeps frames back until the
        stream says that the picture is complete, and some streams say so too early (seen with
        x264). After the next such round it is.
        """
        key = self._trusted_from
        if self.from_start or key is None or pts <= key:
            return True
        self._lag = pts - key
        self._trusted_from = None if self._next_key is None else self._next_key + self._lag
        return self._is_trusted(pts)

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        if packet is not None and self._skip:
            wanted = any(catch.due == packet.pts for catch in self._waiting)
            self._context.skip_frame = "DEFAULT" if wanted else "NONREF"
        try:
            frames = self._stream.decode(packet)
        except av.FFmpegError:
            frames = []  # a damaged packet; the catches know that their frame is missing
        if self._chunks is not None:
            self._count(packet is not None, frames)
        for frame in frames:
            pts = frame.pts
            if pts is None or not self._is_trusted(pts):
                continue
            if not self._started:
                self._started = True
                if not self._starts_whole(pts):
                    continue
            if self.first_frame is None:
                self.first_frame = frame
            for catch in self._waiting:
                catch.offer(frame, pts)
            done = [catch for catch in self._waiting if catch.done]
            if done:
                self._waiting = [catch for catch in self._waiting if not catch.done]
                for catch in done:
                    self._on_done(catch)
