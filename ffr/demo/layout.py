"""What happens in each demo video: pure arithmetic from (seed, split, number), no pixels.

A video is a row of ``SLOTS`` slots with one object each, in one of three families (ours):

- ``visible``: large, on screen for nearly the whole slot, so the student's frames show it;
- ``temporal``: large, but a flash around the slot's centre that falls between two of the
  frames a student sees that samples ``STUDENT_FRAMES`` frames at the middles of equal slots;
- ``spatial``: on screen for nearly the whole slot, but only about one pixel wide when the
  frame is shrunk to ``STUDENT_SIDE`` pixels; a native crop shows it clearly.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ffr.demo.vocabulary import COLOURS, DURATION_S, SHAPES, SLOT_S
from ffr.geometry import Span

__all__ = [
    "FRAME_RATES", "FRAME_SIDE", "SLOTS", "SPLITS", "STUDENT_FRAMES", "STUDENT_SIDE",
    "Family", "SlotObject", "Split", "VideoPlan", "plan_video", "student_times",
]

Family = Literal["visible", "temporal", "spatial"]
Split = Literal["sft", "train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("sft", "train", "validation", "test")

FRAME_RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30))
FRAME_SIDE = 320
"""Width and height of the videos, in pixels."""
SLOTS = round(DURATION_S / SLOT_S)
STUDENT_FRAMES = 8
"""Frames per video of the student the families are made for."""
STUDENT_SIDE = 32
"""Width and height at which that student sees a frame, in pixels."""

LARGE_PX = (144, 216)
SMALL_PX = (12, 15)
CENTRE_JITTER_PX = 24
"""How far a large object's centre strays from the frame's, in pixels."""
EDGE_PX = 40
"""A small object's centre keeps this far from the frame's edge, in pixels."""
FLASH_S = 0.3
FLASH_LEAD_S = (0.06, 0.24)
"""A flash starts this long before the slot's centre, so it is on screen at the asked time."""
SETTLE_S = 0.1
"""Lasting objects appear this long after their slot starts and leave as long before its end."""


@dataclass(frozen=True)
class SlotObject:
    """One coloured shape.

    Attributes:
        asked_s: the time its question names, the centre of its slot, in seconds.
        colour: a key of ``COLOURS``.
        shape: one of ``SHAPES``.
        centre: (x, y) in pixels.
        diameter: in pixels.
        first_frame, last_frame: it is on screen from the first to the last, both included.
    """

    family: Family
    asked_s: float
    colour: str
    shape: str
    centre: tuple[int, int]
    diameter: int
    first_frame: int
    last_frame: int

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels, right and bottom excluded."""
        half = self.diameter // 2
        x0, y0 = self.centre[0] - half, self.centre[1] - half
        return (x0, y0, x0 + self.diameter, y0 + self.diameter)


@dataclass(frozen=True)
class VideoPlan:
    """Everything there is to know about one video; ``render_video`` turns it into bytes."""

    seed: int
    split: Split
    number: int
    fps: Fraction
    objects: tuple[SlotObject, ...]

    @property
    def name(self) -> str:
        """File name inside the world's ``videos`` folder."""
        return f"{self.split}_{self.number:05d}.mp4"

    @property
    def frame_count(self) -> int:
        """Number of frames; the last one ends at or just after ``DURATION_S``."""
        return round(DURATION_S * self.fps)

    def time_s(self, frame: int) -> float:
        """Presentation time of a frame, in seconds."""
        return float(frame / self.fps)

    def span(self, item: SlotObject) -> Span:
        """From the first to the last frame that shows ``item``, and its normalised box."""
        x0, y0, x1, y1 = (round(v / FRAME_SIDE, 6) for v in item.box_px)
        return Span(
            start_s=round(self.time_s(item.first_frame), 6),
            end_s=round(self.time_s(item.last_frame), 6),
            box=(x0, y0, x1, y1),
        )


def student_times() -> tuple[float, ...]:
    """The times a student with ``STUDENT_FRAMES`` frames samples, in seconds."""
    step = DURATION_S / STUDENT_FRAMES
    return tuple((i + 0.5) * step for i in range(STUDENT_FRAMES))


def plan_video(seed: int, split: Split, number: int) -> VideoPlan:
    """Plan video ``number`` of ``split``; the same arguments give the same plan.

    In the SFT split three slots of four are visible and the fourth is temporal or spatial in
    turn; elsewhere two are visible, one temporal and one spatial, so half of the questions
    cannot be answered from what the student sees.
    """
    draw = random.Random(f"{seed}/{split}/{number}")
    if split == "sft":
        families: list[Family] = ["visible"] * 3
        families.append("temporal" if number % 2 else "spatial")
    else:
        families = ["visible", "visible", "temporal", "spatial"]
    draw.shuffle(families)
    fps = draw.choice(FRAME_RATES)
    objects = tuple(_plan_object(draw, family, slot, fps) for slot, family in enumerate(families))
    return VideoPlan(seed=seed, split=split, number=number, fps=fps, objects=objects)


def _plan_object(draw: random.Random, family: Family, slot: int, fps: Fraction) -> SlotObject:
    middle = FRAME_SIDE // 2
    if family == "spatial":
        diameter = draw.randint(*SMALL_PX)
        near, far = EDGE_PX, FRAME_SIDE - EDGE_PX
    else:
        diameter = draw.randint(*LARGE_PX)
        near, far = middle - CENTRE_JITTER_PX, middle + CENTRE_JITTER_PX
    asked_s = (slot + 0.5) * SLOT_S
    if family == "temporal":
        start_s = asked_s - draw.uniform(*FLASH_LEAD_S)
        end_s = start_s + FLASH_S
    else:
        start_s = slot * SLOT_S + SETTLE_S
        end_s = (slot + 1) * SLOT_S - SETTLE_S
    return SlotObject(
        family=family,
        asked_s=asked_s,
        colour=draw.choice(tuple(COLOURS)),
        shape=draw.choice(SHAPES),
        centre=(draw.randint(near, far), draw.randint(near, far)),
        diameter=diameter,
        first_frame=-int(-start_s * fps // 1),  # first frame at or after the start
        last_frame=int(end_s * fps // 1),
    )
