"""What there was to see: the student's frames, and whole frames at the times that matter."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ffr.config.student import FramesConfig
from ffr.report.bundle import Bundle
from ffr.report.pictures import encode
from student.frames import fit_size, resize, sample_times
from teacher_tools.media import MediaError, resolve_media
from teacher_tools.media.reader import VideoReader

__all__ = ["Footage", "Wanted", "time_key"]

_MAX_STUDENT = 64
_MAX_VIEWS = 48
_DECODED_PIXELS = 1 << 18
_STUDENT_SIDE = 160
_KEEP = 256


def time_key(t_s: float) -> str:
    """Name of a moment in ``views``: seconds with three digits."""
    return f"{t_s:.3f}"


@dataclass
class Wanted:
    """A video and the moments somebody looked at, in seconds."""

    video: str
    times_s: set[float] = field(default_factory=set)


@dataclass
class Footage:
    """Decodes what a report shows of videos; what is decoded once is remembered.

    Args:
        bundle: takes the images.
        root: folder the videos lie under; ``None`` shows none.
        frames: how the student samples; ``None`` leaves its frames out.
        budget_bytes: images stop when the bundle holds this much; ``None``: no limit.

    Attributes:
        problems: videos without pictures, by reason.
    """

    bundle: Bundle
    root: Path | None
    frames: FramesConfig | None
    budget_bytes: int | None = None
    problems: Counter[str] = field(default_factory=Counter)
    _known: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)

    @property
    def full(self) -> bool:
        """Whether the budget is spent."""
        return self.budget_bytes is not None and self.bundle.image_bytes >= self.budget_bytes

    def show(self, wanted: Wanted) -> dict[str, Any]:
        """Plain data for the page; without pictures where the video cannot be read.

        ``duration`` in seconds or null; ``student``: ``[t_s, image]`` of the sampled frames, with
        their ``size`` in pixels; ``views``: moment to image of the whole frame on screen then;
        ``left_out``: moments without one; ``problem``: why there are no pictures.
        """
        times = sorted({round(t, 3) for t in wanted.times_s if math.isfinite(t) and t >= 0})
        kept = _spread(times, _MAX_VIEWS)
        known = self._known.setdefault(wanted.video, {})
        self._known.move_to_end(wanted.video)
        if len(self._known) > _KEEP:
            self._known.popitem(last=False)
        self._learn(wanted.video, known, kept)
        names = [name for t in kept if (name := time_key(t)) in known["views"]]
        views = {name: known["views"][name] for name in names}
        return {**known, "views": views, "left_out": len(times) - len(views)}

    def _learn(self, video: str, known: dict[str, Any], times: list[float]) -> None:
        """Add what is not known of a video yet; a video with a problem is not tried again."""
        missing = [t for t in times if not known or time_key(t) not in known["views"]]
        if known and (known["problem"] or not missing):
            return
        if self.root is None:
            known.update(_nothing(""))
        elif self.full:
            self._fail(known, "no room: see --media-mb, or --form folder")
        else:
            try:
                with VideoReader.open(resolve_media(video, self.root)) as reader:
                    if not known:
                        known.update(self._student(reader))
                    self._views(reader, known, missing)
            except MediaError as error:
                self._fail(known, type(error).__name__.removesuffix("Error"))

    def _fail(self, known: dict[str, Any], problem: str) -> None:
        self.problems[problem] += 1
        known.update({**_nothing(problem), **known, "problem": problem})

    def _student(self, reader: VideoReader) -> dict[str, Any]:
        info = reader.info
        found = _nothing(None) | {"duration": info.duration_s, "size": [info.width, info.height]}
        if self.frames is not None:
            size = fit_size(info.height, info.width, self.frames)
            asked = _spread(sample_times(info.duration_s, self.frames.count), _MAX_STUDENT)
            pixels = max(_DECODED_PIXELS, 4 * size[0] * size[1])
            for frame in reader.frames_at(asked, max_frame_pixels=pixels):
                image = self.bundle.image(encode(resize(frame.image, size), _STUDENT_SIDE))
                found["student"].append([round(frame.t_s, 3), image])
            found["student_size"] = [size[1], size[0]]
            found["student_count"] = self.frames.count
        return found

    def _views(self, reader: VideoReader, known: dict[str, Any], times: list[float]) -> None:
        if not times:
            return
        decoded = reader.frames_at(times, max_frame_pixels=_DECODED_PIXELS)
        for t_s, frame in zip(times, decoded, strict=True):
            known["views"][time_key(t_s)] = self.bundle.image(encode(frame.image))


def _nothing(problem: str | None) -> dict[str, Any]:
    return {"duration": None, "size": None, "student": [], "views": {}, "problem": problem}


def _spread(times: Iterable[float], most: int) -> list[float]:
    """At most ``most`` of them, evenly."""
    listed = list(times)
    if len(listed) <= most:
        return listed
    return [listed[round(i * (len(listed) - 1) / (most - 1))] for i in range(most)]
