"""clip: frames of a stretch of the video."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ffr.geometry import Span
from teacher_tools.evidence import Evidence, Frame
from teacher_tools.schema import Seconds
from teacher_tools.tool import teacher_tool
from teacher_tools.tools.frames import CLIP_FRAME_PIXELS, distinct, time_label, times_in_words
from teacher_tools.video import Budget, Video

__all__ = ["clip"]

_MAX_FRAMES = 16


@teacher_tool(
    budget=Budget(frames=_MAX_FRAMES, pixels=_MAX_FRAMES * CLIP_FRAME_PIXELS, seconds=20.0)
)
def clip(
    video: Video,
    start_s: Seconds,
    end_s: Seconds,
    frames: Annotated[int, Field(ge=1, le=_MAX_FRAMES)] = 8,
) -> Evidence:
    """Show frames of one stretch of the video in order, to see what happens in it.

    Use it to look closely at a moment; the frames are spread evenly from start to end.

    Args:
        video: Injected; models never see it.
        start_s: Start of the stretch, in seconds from the start of the video.
        end_s: End of the stretch, in seconds; must be larger than start_s.
        frames: How many frames to show.
    """
    start, end = video.check_window(start_s, end_s)
    video.check_count("frames", frames)
    if frames == 1:
        times = [(start + end) / 2]
    else:
        times = [start + (end - start) * i / (frames - 1) for i in range(frames)]
    shown = distinct(video.frames_at(times, max_frame_pixels=CLIP_FRAME_PIXELS))
    text = f"{len(shown)} frames from {start:.2f} s to {end:.2f} s, at {times_in_words(shown)}."
    if len(shown) < frames:
        text += " The video has no more frames there."
    return Evidence(
        frames=tuple(Frame.of(frame, label=time_label(frame.t_s)) for frame in shown),
        text=text,
        span=Span(start_s=start, end_s=end),
    )
