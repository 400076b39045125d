"""Plain decoding from the first byte to the last: the second opinion on a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av

from torture_files.barcode import read_code

__all__ = ["shown"]

_MAX_ERRORS = 100


def shown(path: Path) -> list[tuple[float, int]]:
    """(seconds from container start, number shown) of each frame that decodes; -1 unreadable."""
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / 1_000_000
        return [
            (
                float(frame.pts * frame.time_base) - start,
                read_code(frame.to_ndarray(format="rgb24")),
            )
            for frame in _frames(container)
            if frame.pts is not None and frame.time_base is not None
        ]


def _number(frame: av.VideoFrame) -> int:
    return read_code(frame.to_ndarray(format="rgb24"))


def _frames(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    stream = container.streams.video[0]
    for _ in range(_MAX_ERRORS):
        try:
            for packet in container.demux(stream):
                try:
                    yield from packet.decode()
                except av.FFmpegError:
                    continue
        except av.EOFError:
            return
        except av.FFmpegError:
            continue
        return
