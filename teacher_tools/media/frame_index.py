"""All frames of a file by time, for back ends that cannot find a frame by time themselves."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from teacher_tools.media.errors import UndecodableError
from teacher_tools.media.source import Source
from teacher_tools.media.walk import Deadline

__all__ = ["FrameIndex"]


@dataclass(frozen=True)
class FrameIndex:
    """Presentation times in ticks, ascending.

    Attributes:
        pts: of every frame that is shown.
        keys: of the keyframes among them.
    """

    pts: Sequence[int]
    keys: Sequence[int]

    @classmethod
    def of(cls, source: Source, deadline: Deadline) -> FrameIndex:
        """Read every packet of the file; decodes nothing.

        Raises:
            UndecodableError: no packet carries a time.
            MediaTimeoutError: the deadline has passed.
        """
        source.reopen()
        stamps: set[int] = set()
        keys: set[int] = set()
        for packet in source.packets(deadline):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or packet.is_discard:
                continue
            stamps.add(stamp)
            if packet.is_keyframe:
                keys.add(stamp)
        if not stamps:
            raise UndecodableError(
                f"video {source.name!r} carries no timestamps; remux it to mkv first"
            )
        return cls(sorted(stamps), sorted(keys))

    def place(self, tick: int) -> int:
        """Position in ``pts`` of the frame on screen at ``tick``; the first one before it."""
        return max(0, bisect_right(self.pts, tick) - 1)

    def key_before(self, tick: int) -> int | None:
        """The last keyframe at or before ``tick``."""
        place = bisect_right(self.keys, tick) - 1
        return self.keys[place] if place >= 0 else None

    def nearest_key(self, tick: int) -> int:
        """The keyframe nearest to ``tick``; the frame on screen where there is no keyframe."""
        place = bisect_left(self.keys, tick)
        near = self.keys[max(0, place - 1) : place + 1]
        return min(near, key=lambda key: (abs(key - tick), key), default=self.pts[self.place(tick)])
