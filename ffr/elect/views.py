"""The views under which one question is asked again (spec rler §5 step 2).

Temperature, crop and brightness in a fixed order; never flips, reversals or shuffled options,
which would change what left, right, before, after and A mean.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ffr.config.elect import ElectConfig
from student.prompt_parts import VideoPart

__all__ = ["Spatial", "View", "request_seed", "sequence_seed", "show", "show_video",
           "view_schedule"]  # fmt: skip

Spatial = Literal["full", "centre", "top_left", "top_right", "bottom_left", "bottom_right"]
RGBArray = npt.NDArray[np.uint8]

_SPATIAL: tuple[Spatial, ...] = (
    "full", "full", "centre", "top_left", "top_right", "bottom_left", "bottom_right", "full",
)  # fmt: skip
_BRIGHTNESS = (1.0, 1.15, 1.0, 1.0, 1.0, 1.0, 1.0, 0.85)
_CORNER: dict[Spatial, tuple[float, float]] = {
    "centre": (0.5, 0.5), "top_left": (0.0, 0.0), "top_right": (0.0, 1.0),
    "bottom_left": (1.0, 0.0), "bottom_right": (1.0, 1.0),
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """One way to ask.

    Attributes:
        number: from 1, in order of asking.
        temperature: of sampling; 0 is greedy.
        spatial: which part of every frame is shown.
        brightness: factor on every pixel.
        crop_scale: side of a crop as a share of the frame's.
    """

    number: int
    temperature: float
    spatial: Spatial = "full"
    brightness: float = 1.0
    crop_scale: float = 0.9

    @property
    def plain(self) -> bool:
        """Whether the pixels stay as they are."""
        return self.spatial == "full" and self.brightness == 1.0


def view_schedule(config: ElectConfig) -> tuple[View, ...]:
    """All views of a question in order; the candidates of an election are a prefix of it.

    Beyond the eighth, pixels repeat while the random stream does not.
    """
    views = config.views
    if config.mode == "single":
        return (View(1, 0.0),)
    return tuple(
        View(
            number=i + 1,
            temperature=views.temperatures[i % len(views.temperatures)],
            spatial=_SPATIAL[i % len(_SPATIAL)] if views.crops else "full",
            brightness=_BRIGHTNESS[i % len(_BRIGHTNESS)] if views.brightness else 1.0,
            crop_scale=views.crop_scale,
        )
        for i in range(config.most_candidates)
    )


def request_seed(seed: int, question_id: str, view: View) -> int:
    """Seed of one candidate's random stream, in [0, 2^31).

    It depends on the run's seed, the question and the view and on nothing else, so a run repeats
    whatever ran beside it (ours: the paper's notes leave the question out, which would give every
    question the same draws).
    """
    return sequence_seed(seed, question_id, view.number)


def sequence_seed(seed: int, question_id: str, number: int) -> int:
    """Seed of the numbered response to a question, in [0, 2^31); see ``request_seed``."""
    digest = hashlib.blake2b(repr((seed, question_id, number)).encode(), digest_size=4)
    return int.from_bytes(digest.digest()) >> 1


def show(image: RGBArray, view: View) -> RGBArray:
    """One frame under a view: uint8 RGB (H, W, 3), same size."""
    if view.spatial != "full":
        height, width = image.shape[:2]
        rows, columns = (max(1, round(side * view.crop_scale)) for side in (height, width))
        down, right = _CORNER[view.spatial]
        top, left = round((height - rows) * down), round((width - columns) * right)
        part = Image.fromarray(image[top : top + rows, left : left + columns])
        image = np.asarray(part.resize((width, height), Image.Resampling.BICUBIC))
    if view.brightness != 1.0:
        lit = np.rint(image.astype(np.float32) * view.brightness)
        image = np.clip(lit, 0, 255).astype(np.uint8)
    return image


def show_video(video: VideoPart, view: View) -> VideoPart:
    """The same transform for every frame; times stay, so citations stay comparable."""
    if view.plain:
        return video
    frames = np.stack([show(frame, view) for frame in video.frames])
    return VideoPart(frames, video.axis)
