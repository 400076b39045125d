"""Words and colours of the demo world, shared by the renderer and the scripted teacher.

The scripted teacher uses only what a viewer could use: the way questions speak of
time, and that objects are saturated shapes on a grey background.
"""

from __future__ import annotations

import re

__all__ = [
    "COLOURS",
    "DURATION_S",
    "SHAPES",
    "SLOT_S",
    "asked_time_s",
    "guidance_text",
    "open_question",
    "shape_choice_question",
]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (250, 85, 85),
    "green": (80, 225, 95),
    "blue": (95, 120, 255),
    "yellow": (250, 230, 75),
    "purple": (205, 90, 240),
    "cyan": (75, 230, 235),
}
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "cross")

SLOT_S = 2.0
"""Each video is a row of slots of this many seconds with at most one object each."""
DURATION_S = 8.0

_TIME = re.compile(r"at (\d+(?:\.\d+)?) seconds")


def open_question(time_s: float) -> str:
    """The open question about the slot around ``time_s`` seconds."""
    return f"What appears at {time_s:.1f} seconds?"


def shape_choice_question(time_s: float) -> str:
    """The multiple-choice question about the slot around ``time_s`` seconds."""
    return f"Which shape appears at {time_s:.1f} seconds?"


def asked_time_s(question: str) -> float | None:
    """The time a question speaks of, in seconds, or ``None`` when it names none."""
    match = _TIME.search(question)
    return float(match.group(1)) if match else None


def guidance_text(start_s: float, end_s: float, *, zoomed: bool) -> str:
    """Guidance of a demo patch: where and when to look, never what is there."""
    place = "the marked region" if zoomed else "the whole frame"
    return f"Look at {place} from {start_s:.1f} to {end_s:.1f} seconds."
