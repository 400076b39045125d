"""The same prompt with another video in it: grey frames, or the frames of another file.

Number, size and times of the frames stay, and so does a burnt-in clock, which belongs to the
sample pipeline; what the video *shows* goes, subtitles included.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ffr.config.student import FramesConfig
from student.frames import resize
from student.overlay import draw_overlay
from student.prompt_parts import Message, Part, StudentPrompt, VideoPart

__all__ = ["GREY", "Replacement", "bare_frames", "choose_donors", "grey_video", "other_video",
           "replace_videos"]  # fmt: skip

Replacement = Literal["grey", "other"]
GREY = 128
"""Value of every channel of a grey frame: the middle of the range."""


def grey_video(video: VideoPart, config: FramesConfig) -> VideoPart:
    """Uniformly grey frames on the time axis of ``video``.

    Args:
        video: what is replaced.
        config: its frame plan; of it the clock alone is drawn.
    """
    return _on_axis(np.full_like(video.frames, GREY), video, config)


def other_video(video: VideoPart, donor: VideoPart, config: FramesConfig) -> VideoPart:
    """The frames of ``donor`` on the time axis of ``video``.

    Args:
        video: what is replaced.
        donor: frames without overlays (``bare_frames``); where their number differs, evenly
            spaced ones are taken, and each is scaled to the size of ``video``.
        config: frame plan of ``video``; of it the clock alone is drawn.
    """
    count, height, width = video.frames.shape[:3]
    picked = [(2 * i + 1) * len(donor.frames) // (2 * count) for i in range(count)]
    frames = np.stack([resize(donor.frames[i], (height, width)) for i in picked])
    return _on_axis(frames, video, config)


def bare_frames(config: FramesConfig) -> FramesConfig:
    """The same frame plan without overlays: what a donor is sampled with."""
    return config.model_copy(update={"clock_overlay": False, "subtitle_overlay": False})


def replace_videos(
    prompt: StudentPrompt, change: Callable[[VideoPart], VideoPart]
) -> StudentPrompt:
    """The prompt with every video in it changed, all else as it was."""

    def changed(part: Part) -> Part:
        return change(part) if isinstance(part, VideoPart) else part

    messages = tuple(
        Message(message.role, tuple(map(changed, message.parts))) for message in prompt.messages
    )
    return replace(prompt, messages=messages)


def choose_donors(videos: Sequence[str], *, seed: int = 0) -> list[str | None]:
    """For each question's video another one; ``None`` when all are the same.

    Args:
        videos: path of each question's video; questions may share one.
        seed: equal seeds give equal choices, whatever the order of the questions.

    Returns:
        One path each, never the question's own; every video serves about equally often.
    """
    distinct = sorted(set(videos))
    if len(distinct) < 2:
        return [None] * len(videos)
    random.Random(seed).shuffle(distinct)
    after = dict(zip(distinct, [*distinct[1:], distinct[0]], strict=True))
    return [after[video] for video in videos]


def _on_axis(
    frames: npt.NDArray[np.uint8], video: VideoPart, config: FramesConfig
) -> VideoPart:
    drawn = np.stack([
        draw_overlay(frame, t, config) for frame, t in zip(frames, video.axis.times_s, strict=True)
    ])  # fmt: skip
    drawn.setflags(write=False)
    return VideoPart(drawn, video.axis)
