"""Configuration of the repair loop and its advantages (spec ffr §4, §5, §10; design §6)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ffr.config.base import Config, NonNegative, Probability

__all__ = ["AdvantageConfig", "RepairConfig"]


class RepairConfig(Config):
    """When to repair and what of it is trained."""

    when: Literal["always", "no_signal", "below"] = "always"
    """``always``: every failure (paper); ``no_signal``: groups without a right answer;
    ``below``: groups whose share of right answers is under ``below_rate``."""
    below_rate: Probability = 0.5
    max_per_question: Annotated[int, Field(ge=0)] | None = None
    """At most this many repairs per question; ``None`` means no limit."""
    chosen: Literal["per_index", "best_of_group"] = "per_index"
    """Paper Fig. 2 is per index; appendix E.2 read literally is best of group (experiment)."""
    train_context: Literal["patched", "plain", "auto"] = "patched"
    """Context a repaired answer is trained under. ``patched`` is the paper; ``auto`` trains a right
    repaired answer also under the plain prompt when the evidence lay within the student's view."""
    keep_failed_original: bool = False
    """Keep one failed original of the group as an extra negative."""
    improvement_guard: Literal["never", "partial_credit", "always"] = "partial_credit"
    """Keep the original when the repaired reward is not better (spec ffr §5, consequence 4)."""
    visibility_tolerance_s: NonNegative = 0.05
    """A student frame this close to the evidence counts as having shown it, seconds."""
    visibility_min_pixels: NonNegative = 6.0
    """Smallest side of an evidence region at the student's resolution that counts as visible."""


class AdvantageConfig(Config):
    """Group-normalised advantages."""

    groups: Literal["joint", "split"] = "joint"
    """``joint``: one baseline per question (paper); ``split``: repaired attempts have their own."""
    norm_by_std: bool = True
    epsilon: NonNegative = 1e-4
    """Added to the spread; 1e-4 is the official code's value."""
    min_spread: NonNegative = 1e-6
    """A group whose spread is below this gets exactly 0 (errata: float32 trap)."""
    floor_repaired_correct: bool = False
    """Clip the advantage of right repaired answers at >= 0 (ours, spec ffr §5)."""
