"""timestamp: an overview in which every frame wears its time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ffr.geometry import Span
from teacher_tools.evidence import Evidence, Frame
from teacher_tools.overlay import burn_in
from teacher_tools.schema import Seconds
from teacher_tools.tool import teacher_tool
from teacher_tools.tools.frames import CLIP_FRAME_PIXELS, distinct, time_label, times_in_words
from teacher_tools.video import Budget, Video

__all__ = ["timestamp"]

_MAX_FRAMES = 32


@teacher_tool(
    budget=Budget(frames=_MAX_FRAMES, pixels=_MAX_FRAMES * CLIP_FRAME_PIXELS, seconds=40.0)
)
def timestamp(
    video: Video,
    start_s: Seconds | None = None,
    end_s: Seconds | None = None,
    frames: Annotated[int, Field(ge=1, le=_MAX_FRAMES)] = 16,
    mode: Literal["exact", "keyframe"] = "exact",
) -> Evidence:
    """Show an overview of the video, or of a stretch, with the time written on each frame.

    Use it to find out when something happens, before looking closer.

    Args:
        video: Injected; models never see it.
        start_s: Start of the stretch in seconds; null is the start of the video.
        end_s: End of the stretch in seconds; null is the end of the video.
        frames: How many frames to show, spread evenly.
        mode: "exact" shows evenly spaced moments; "keyframe" shows the nearest frames that are
            quick to decode, good enough for a long video.
    """
    start, end = video.check_window(
        0.0 if start_s is None else start_s, video.duration_s if end_s is None else end_s
    )
    video.check_count("frames", frames)
    times = [start + (end - start) * (i + 0.5) / frames for i in range(frames)]
    shown = distinct(video.frames_at(times, mode=mode, max_frame_pixels=CLIP_FRAME_PIXELS))
    text = f"{len(shown)} frames from {start:.2f} s to {end:.2f} s of {video.duration_s:.2f} s"
    if len(shown) < frames:
        text += f" (fewer than {frames}: some moments share a frame)"
    return Evidence(
        frames=tuple(
            Frame(
                burn_in(frame.image, time_label(frame.t_s)),
                frame.t_s,
                pts=frame.pts,
                label=time_label(frame.t_s),
                intact=frame.intact,
            )
            for frame in shown
        ),
        text=f"{text}, at {times_in_words(shown)}.",
        span=Span(start_s=start, end_s=end),
    )
