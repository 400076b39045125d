"""A user's tool: where the video is cut, with PySceneDetect.

    pip install 'ffr[examples]'
    ffr tools try scene_cuts VIDEO start_s=0 end_s=30 --tools examples/tools/scene_cuts.py

PySceneDetect usually opens files itself.  A tool has no path to give it, and needs none: the
detector takes frames, and the handle gives frames with their true times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from ffr.geometry import Span
from teacher_tools import Budget, Evidence, Frame, Seconds, ToolError, Video, teacher_tool
from teacher_tools.media.types import DecodedFrame

MAX_LENGTH_S = 120.0
MAX_CUTS = 12
READS = 1500
LOOK_PIXELS = 160 * 90  # what the detector compares
SHOW_PIXELS = 320 * 180
CHUNK = 100


@teacher_tool(
    version="1",
    budget=Budget(frames=MAX_CUTS, pixels=MAX_CUTS * SHOW_PIXELS, seconds=60.0, reads=READS),
)
def scene_cuts(
    video: Video,
    start_s: Seconds,
    end_s: Seconds,
    threshold: Annotated[float, Field(ge=5, le=80)] = 27.0,
) -> Evidence:
    """Find the cuts between scenes in a stretch of the video, and show the frame after each.

    Args:
        video: Injected; models never see it.
        start_s: Start of the stretch, in seconds from the start of the video.
        end_s: End of the stretch, in seconds; at most 120 seconds after start_s.
        threshold: How large a change counts as a cut; smaller finds more.
    """
    start, end = video.check_window(start_s, end_s)
    if end - start > MAX_LENGTH_S:
        raise ToolError(
            f"the stretch from {start:g} to {end:g} s is {end - start:g} s long; at most "
            f"{MAX_LENGTH_S:g} s are allowed, ask for a part of it"
        )
    cuts = find_cuts(video, start, end, threshold)
    if not cuts:
        return Evidence(
            text=f"No cuts from {start:.2f} to {end:.2f} s: one scene.",
            span=Span(start_s=start, end_s=end),
        )
    shown = video.frames_at(cuts[:MAX_CUTS], max_frame_pixels=SHOW_PIXELS)
    text = f"{len(cuts)} cuts from {start:.2f} to {end:.2f} s, at "
    text += ", ".join(f"{cut:.2f}" for cut in cuts) + " s."
    if len(cuts) > MAX_CUTS:
        text += f" The first {MAX_CUTS} are shown."
    return Evidence(
        frames=tuple(Frame.of(f, label=f"scene from {f.t_s:.2f} s") for f in shown),
        text=text,
        span=Span(start_s=start, end_s=end),
    )


def find_cuts(video: Video, start: float, end: float, threshold: float) -> list[float]:
    """True times (seconds) of the first frame of each new scene."""
    from scenedetect import ContentDetector, FrameTimecode

    detector = ContentDetector(threshold=threshold, min_scene_len=3)
    times: list[float] = []
    cuts: list[float] = []
    for frame in frames_between(video, start, end):
        number = FrameTimecode(len(times), fps=100.0)  # it counts frames; the true times are ours
        times.append(frame.t_s)
        bgr = np.ascontiguousarray(frame.image[:, :, ::-1])
        cuts += [times[cut.frame_num] for cut in detector.process_frame(number, bgr)]
    return cuts


def frames_between(video: Video, start: float, end: float) -> Iterator[DecodedFrame]:
    """The frames on screen from start to end, in order, each once; thinned out if too many."""
    steps = math.ceil((end - start) * video.info.average_fps)
    steps = max(1, min(steps, READS - MAX_CUTS - 1))
    last = -math.inf
    for first in range(0, steps + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, steps + 1))
        times = [start + (end - start) * number / steps for number in numbers]
        for frame in video.frames_at(times, max_frame_pixels=LOOK_PIXELS):
            if frame.t_s > last:
                last = frame.t_s
                yield frame
