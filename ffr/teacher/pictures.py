"""Pictures a teacher is shown: encoded once, for the wire and for the patch alike."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ffr.geometry import RawBox
from teacher_tools.encode import encode_jpeg
from teacher_tools.evidence import Frame
from teacher_tools.media.reader import VideoReader

__all__ = ["FirstView", "FirstViews", "Picture", "encode_frames"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame or crop as JPEG, with its true time in seconds and its normalised box."""

    t_s: float
    box: RawBox | None
    jpeg: bytes = field(repr=False)
    url: str = field(repr=False)
    """The same bytes as a data URL."""

    @classmethod
    def of(cls, frame: Frame) -> Picture:
        """Encode a frame."""
        jpeg = encode_jpeg(frame.image)
        url = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
        return cls(frame.t_s, frame.box, jpeg, url)

    @property
    def label(self) -> str:
        """What it is, for a caption: ``frame at 3.200 s``, ``crop 0.1,0.2,0.5,0.6 at 3.200 s``."""
        if self.box is None:
            return f"frame at {self.t_s:.3f} s"
        corners = ",".join(f"{v:.4f}".rstrip("0").rstrip(".") for v in self.box)
        return f"crop {corners} at {self.t_s:.3f} s"


@dataclass(frozen=True, eq=False)
class FirstView:
    """What a teacher sees of a video before it calls any tool."""

    pictures: tuple[Picture, ...]
    duration_s: float


class FirstViews:
    """First views by video, the last few kept: G failures on one video decode it once.

    Args:
        frames: how many, in the middle of equal stretches of the video.
        max_pixels: most pixels of each.
        keep: how many videos' views are kept.
    """

    def __init__(self, frames: int, max_pixels: int, *, keep: int = 32) -> None:
        self._frames = frames
        self._max_pixels = max_pixels
        self._keep = keep
        self._views: OrderedDict[tuple[Path, int, int], asyncio.Task[FirstView]] = OrderedDict()
        self.decoded = 0
        """Videos decoded so far."""

    async def get(self, path: Path) -> FirstView:
        """The first view of the video at ``path``, decoded in a thread when it is not known.

        Raises:
            MediaError: the video cannot be decoded.
            OSError: it is gone.
        """
        status = await asyncio.to_thread(path.stat)
        key = (path, status.st_size, status.st_mtime_ns)
        task = self._views.get(key)
        if task is None or task.cancelled():
            task = asyncio.ensure_future(asyncio.to_thread(self._decode, path))
            task.add_done_callback(_retrieve)
            self._views[key] = task
        self._views.move_to_end(key)
        while len(self._views) > self._keep:
            self._views.popitem(last=False)
        # A caller's deadline must not cancel the decoding others wait for.
        try:
            return await asyncio.shield(task)
        except Exception:
            self._views.pop(key, None)
            raise

    def _decode(self, path: Path) -> FirstView:
        self.decoded += 1
        with VideoReader.open(path) as reader:
            duration = reader.duration_s
            times = [duration * (i + 0.5) / self._frames for i in range(self._frames)]
            frames = reader.frames_at(times, max_frame_pixels=self._max_pixels)
        distinct = {frame.t_s: Frame.of(frame) for frame in frames}
        return FirstView(tuple(Picture.of(frame) for frame in distinct.values()), duration)


async def encode_frames(frames: Iterable[Frame]) -> list[Picture]:
    """Encode frames in a thread, off the event loop."""
    listed = list(frames)
    return await asyncio.to_thread(lambda: [Picture.of(frame) for frame in listed])


def _retrieve(task: asyncio.Task[FirstView]) -> None:
    """Mark a failure as seen: with every waiter gone nobody else would."""
    if not task.cancelled():
        task.exception()
