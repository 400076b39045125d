"""What to ask of a reader, and whether its answers are right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from torture_files.barcode import Image, read_code
from torture_files.recipe import CodedVideo

__all__ = ["Shown", "question_times", "verdict"]

_CLOCK_S = 1.1e-3  # containers keep milliseconds


class Shown(Protocol):
    """A reader's answer."""

    @property
    def t_s(self) -> float:
        """When the frame appears, seconds from container start."""
        ...

    @property
    def image(self) -> Image:
        """What it shows."""
        ...

    @property
    def intact(self) -> bool:
        """False when the reader itself doubts that this is the frame."""
        ...


def question_times(video: CodedVideo, count: int, seed: str) -> tuple[list[float], list[float]]:
    """(times inside frames, times at which frames appear), ``count`` of each, in random order.

    The first and the last frame are always among them.
    """
    dice = random.Random(seed)
    last = len(video.times) - 1
    places = [0, last, *(dice.randint(0, last) for _ in range(count - 2))]
    inside = [
        video.times[i] + dice.uniform(0.05, 0.95) * (video.end_of(i) - video.times[i])
        for i in places
    ]
    exact = [video.times[i] for i in places]
    dice.shuffle(inside)
    dice.shuffle(exact)
    return inside, exact


def verdict(video: CodedVideo, t: float, answer: Shown, *, shape: bool = True) -> str | None:
    """What is wrong with an answer, or None.

    Args:
        video: the file and its truth.
        t: the asked time, seconds from container start.
        answer: what the reader gave.
        shape: also hold the picture's size to the truth.
    """
    if video.hurt and not answer.intact and answer.t_s <= t + 1e-6:
        return None  # it said so
    seen, place = read_code(answer.image), video.place(t)
    if seen != video.expected(t):
        return f"t={t:.4f}: frame {seen} instead of {video.expected(t)}"
    if abs(answer.t_s - video.times[place]) > _CLOCK_S:
        return f"t={t:.4f}: says {answer.t_s:.4f} s instead of {video.times[place]:.4f} s"
    if not answer.intact and not video.hurt:
        return f"t={t:.4f}: calls a sound frame damaged"
    height, width = answer.image.shape[:2]
    if shape and (width, height) != video.size:
        return f"t={t:.4f}: {width}x{height} pixels instead of {video.size[0]}x{video.size[1]}"
    return None


def offset(video: CodedVideo, t: float, answer: Shown) -> int:
    """By how many frames an answer is off; 0 when its number cannot be read."""
    seen = read_code(answer.image)
    return seen - video.expected(t) if seen >= 0 else 0


def all_right(video: CodedVideo, asked: Sequence[float], answers: Sequence[Shown]) -> list[str]:
    """Everything that is wrong with answers to several questions."""
    said = (verdict(video, t, answer) for t, answer in zip(asked, answers, strict=True))
    return [wrong for wrong in said if wrong is not None]
