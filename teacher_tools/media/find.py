"""Where to start decoding for which targets, and what to do when that was too late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import av

from teacher_tools.media.errors import UndecodableError
from teacher_tools.media.source import Source
from teacher_tools.media.walk import Catch, Deadline, Walk

__all__ = ["Keep", "find_exact", "find_keyframes"]

Keep = Callable[[int, av.VideoFrame, bool], None]
"""Receives (asked tick, frame, whether it is intact), once for each tick, early."""

_BACK_OFF_S = (1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0, 255.0, 511.0, 1023.0, 2047.0, 4095.0)
_NEAR_S = 2.0  # targets this close share a walk when the file has no index


def find_exact(source: Source, ticks: Sequence[int], deadline: Deadline, keep: Keep) -> None:
    """Find the frame on screen at each of the sorted, distinct ``ticks``.

    Raises:
        UndecodableError: the file gives no frame at all for one of them.
        MediaTimeoutError: the deadline has passed.
    """
    groups = [list(ticks)] if source.counted else _groups(source, ticks)
    for group in groups:
        _find_group(source, group, deadline, keep)


def find_keyframes(source: Source, ticks: Sequence[int], deadline: Deadline, keep: Keep) -> None:
    """Find the keyframe nearest to each of the sorted ``ticks``; raises as ``find_exact``.

    Without an index it is the keyframe before the tick; a keyframe that does not decode is
    replaced by the exact frame, and so is every one where pictures must be counted.
    """
    frames: dict[int, av.VideoFrame | None] = {}
    if source.counted:
        find_exact(source, ticks, deadline, keep)
        return
    for tick in ticks:
        position = _nearest_keyframe(source, tick)
        if position not in frames:
            frames[position] = _first_frame_from(source, position, deadline)
        frame = frames[position]
        if frame is None:
            find_exact(source, [tick], deadline, keep)
        else:
            keep(tick, frame, not frame.is_corrupt)


def _groups(source: Source, ticks: Sequence[int]) -> list[list[int]]:
    """Split ticks so that each group is decoded from one keyframe, once.

    Not a generator: the index belongs to the open container, and decoding may reopen it.
    """
    index, shift = source.stream.index_entries, source.index_shift
    near = int(_NEAR_S / source.time_base)
    groups: list[list[int]] = []
    last_key = -1
    for tick in ticks:
        key = index.search_timestamp(tick - shift) if len(index) > 1 else -1
        if groups and key == last_key and (key >= 0 or tick - groups[-1][-1] <= near):
            groups[-1].append(tick)
        else:
            groups.append([tick])
        last_key = key
    return groups


@dataclass
class _Sorter:
    """Takes final catches: passes good ones on, remembers the others."""

    keep: Keep
    skipping: bool = True
    missed: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)

    def __call__(self, catch: Catch) -> None:
        if catch.frame is None:
            self.missed.append(catch.tick)
        elif catch.intact or not self.skipping:
            self.keep(catch.tick, catch.frame, catch.intact)
        else:
            self.doubtful.append(catch.tick)


def _find_group(source: Source, ticks: list[int], deadline: Deadline, keep: Keep) -> None:
    missing = ticks
    skipping = True
    patient = False
    back_offs = 0
    position: int | None = min(missing[0], source.last_tick)
    if source.counted or (source.at_start and _in_first_group(source, missing[0])):
        position = None  # freshly opened: no need to seek
    while True:
        deadline.check()
        if position is None and not source.at_start:
            source.reopen()
        sorter = _Sorter(keep, skipping)
        readable = position is None or source.seek(position)
        first_dts: int | None = None
        if readable:
            walk = Walk(
                source.packets(deadline),
                source.stream,
                [Catch(tick) for tick in missing],
                skip=skipping,
                from_start=position is None,
                chunks=source.chunks() if source.counted else None,
                patient=patient,
                on_done=sorter,
            )
            walk.run()
            missing = sorted(sorter.missed + sorter.doubtful)
            if not missing:
                return
            if sorter.doubtful:
                skipping = False  # decode everything before calling a frame damaged
                continue
            if walk.from_start and walk.first_frame is not None:
                for tick in missing:  # nothing is on screen yet: the first frame
                    keep(tick, walk.first_frame, not walk.first_frame.is_corrupt)
                return
            first_dts = walk.first_dts
        if position is None and not patient:
            patient = True  # the file may begin long before its first keyframe
            continue
        if position is None:
            raise UndecodableError(
                f"video {source.name!r} gave no frame for {source.seconds(missing[0]):.3f} s; "
                "the file is damaged, re-encode it"
            )
        position = _earlier(source, position, first_dts, missing[0], back_offs)
        back_offs += 1


def _earlier(
    source: Source, position: int, first_dts: int | None, target: int, back_offs: int
) -> int | None:
    """Next place to start from; None is the beginning of the file."""
    if back_offs == 0 and first_dts is not None:
        earlier = min(position, first_dts) - 1  # the keyframe before the one we landed on
    elif back_offs < len(_BACK_OFF_S):
        start = min(position, target)
        earlier = start - int(_BACK_OFF_S[back_offs] / source.time_base)
    else:
        return None
    return earlier if earlier > source.first_tick else None


def _in_first_group(source: Source, tick: int) -> bool:
    stream = source.stream
    if len(stream.index_entries) > 1:
        return stream.index_entries.search_timestamp(tick - source.index_shift) <= 0
    return stream.start_time is not None and tick <= stream.start_time


def _nearest_keyframe(source: Source, tick: int) -> int:
    """Time of the index's keyframe nearest to ``tick``; ``tick`` itself without an index."""
    index, shift = source.stream.index_entries, source.index_shift
    stamps = [
        index[i].timestamp + shift
        for i in {index.search_timestamp(tick - shift, backward=back) for back in (True, False)}
        if i >= 0
    ]
    return min(stamps, key=lambda stamp: (abs(stamp - tick), stamp), default=tick)


def _first_frame_from(source: Source, position: int, deadline: Deadline) -> av.VideoFrame | None:
    if not source.seek(position):
        return None
    for packet in source.packets(deadline):
        if not packet.is_keyframe:
            continue
        source.stream.codec_context.skip_frame = "DEFAULT"
        try:
            frames = [*source.stream.decode(packet), *source.stream.decode(None)]
        except av.FFmpegError:
            return None
        return next((frame for frame in frames if frame.pts is not None), None)
    return None
