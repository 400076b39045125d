"""Give a raw stream (``.h264``, ``.hevc``, ``.m4v``) the times it does not have.

ffmpeg cannot: with B-frames its copies lose pictures or show them in another order.  Decoding
once tells the order in which pictures are shown; then they are copied at an even pace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.source import MAX_PIXELS
from teacher_tools.media.walk import Deadline

__all__ = ["pace"]

_FORMATS = "h264,hevc,m4v,mpegvideo,obu"


def pace(source: Path, target: Path, frame_rate: float, timeout_s: float) -> int:
    """Copy a raw stream into ``target`` at ``frame_rate``; returns how many pictures were lost.

    Raises:
        MediaWriteError: it is no raw stream, or nothing in it decodes.
        MediaTimeoutError: it took longer.
    """
    if not (math.isfinite(frame_rate) and 0 < frame_rate <= 1000):
        raise MediaWriteError(
            f"frame_rate={frame_rate!r} is not allowed; give frames per second, 0 to 1000"
        )
    deadline = Deadline(timeout_s)
    try:
        with _open(source, timeout_s) as container:
            rank = _ranks(container, deadline)
        if not rank:
            raise MediaWriteError(f"raw stream {source.name!r} shows no picture; it is damaged")
        delay = max(place - shown for place, shown in rank.items())
        base = 1 / Fraction(frame_rate).limit_denominator(100_000)
        lost = 0
        with _open(source, timeout_s) as container, av.open(str(target), "w") as written:
            stream = written.add_stream_from_template(container.streams.video[0])
            for place, packet in enumerate(_packets(container, deadline)):
                if place not in rank:
                    lost += 1
                    continue
                packet.time_base = base
                packet.pts, packet.dts = rank[place], place - delay
                packet.duration = 1
                packet.stream = stream
                written.mux(packet)
    except (av.FFmpegError, OSError) as error:
        raise MediaWriteError(
            f"{source.name!r} could not be copied as a raw stream ({type(error).__name__}); only "
            "raw H.264, HEVC, MPEG video and AV1 take a frame_rate"
        ) from error
    return lost


def _open(source: Path, timeout_s: float) -> InputContainer:
    return av.open(
        "file:" + str(source.absolute()),
        options={
            "protocol_whitelist": "file",
            "format_whitelist": _FORMATS,
            "max_pixels": str(MAX_PIXELS),
        },
        timeout=timeout_s,
    )


def _packets(container: InputContainer, deadline: Deadline) -> Iterator[Packet[VideoStream]]:
    for packet in container.demux(container.streams.video[0]):
        deadline.check()
        if packet.size:
            yield packet


def _ranks(container: InputContainer, deadline: Deadline) -> dict[int, int]:
    """For each picture, its place in the file -> its place on screen."""
    stream = container.streams.video[0]
    stream.thread_count = 1
    places: list[int] = []
    for place, packet in enumerate(_packets(container, deadline)):
        packet.pts = packet.dts = place
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            continue  # a damaged picture is lost
        places += [frame.pts for frame in frames if frame.pts is not None]
    places += [frame.pts for frame in stream.decode(None) if frame.pts is not None]
    return {place: shown for shown, place in enumerate(dict.fromkeys(places))}
