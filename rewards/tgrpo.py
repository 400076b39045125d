"""T-GRPO: a bonus when ordered frames beat shuffled ones, and a bonus of length (Video-R1).

Spec video_r2 §7.4.  Shuffled rollouts only set the bar and are never trained.  All right rollouts
of a group share the temporal bonus, so it moves the margin between right and wrong and cannot tell
which rollout used time (defect E11, a property of the method).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ffr.config.video_r2 import TemporalContrastConfig, TGrpoConfig

__all__ = [
    "TGrpoTerms", "TemporalContrast", "counts_as_right", "long_enough", "shuffled_order",
    "temporal_contrast", "tgrpo_terms",
]  # fmt: skip


@dataclass(frozen=True)
class TemporalContrast:
    """The group's comparison.

    Attributes:
        ordered: p, of the rollouts on ordered frames; ``None`` without any.
        shuffled: p of those on shuffled frames; ``None`` without any.
        granted: whether the bonus is granted; ``None`` (not available) without shuffled rollouts.
    """

    ordered: float | None
    shuffled: float | None
    granted: bool | None


@dataclass(frozen=True)
class TGrpoTerms:
    """Reward of one ordered rollout, term by term; ``total`` is their sum."""

    accuracy: float
    format: float
    temporal: float
    length: float

    @property
    def total(self) -> float:
        """The reward."""
        return self.accuracy + self.format + self.temporal + self.length


def temporal_contrast(
    accuracies: Sequence[float], shuffled: Sequence[float], config: TemporalContrastConfig
) -> TemporalContrast:
    """Whether ``p >= margin * p_shuffled``.

    Args:
        accuracies: of the rollouts on ordered frames, each in [0, 1].
        shuffled: of those on shuffled frames; empty for images and when none could be had.
        config: margin, and whether accuracies are compared as they are.
    """
    p, p_shuffled = (_share(values, config) for values in (accuracies, shuffled))
    granted = None
    if p is not None and p_shuffled is not None:
        granted = p >= config.margin * p_shuffled - 1e-12
    return TemporalContrast(p, p_shuffled, granted)


def tgrpo_terms(
    accuracies: Sequence[float],
    formats: Sequence[float],
    lengths: Sequence[int],
    shuffled: Sequence[float] | None,
    config: TGrpoConfig,
) -> list[TGrpoTerms]:
    """Rewards of the ordered rollouts of one group.

    Args:
        accuracies: in [0, 1].
        formats: 0 or 1.
        lengths: response tokens, end token included.
        shuffled: accuracies on shuffled frames; ``None`` for questions about images, which get
            neither the temporal bonus nor a comparison.
        config: bonuses and their conditions.

    Raises:
        ValueError: lengths differ or a value is out of range.
    """
    if not len(accuracies) == len(formats) == len(lengths):
        raise ValueError(
            f"{len(accuracies)} accuracies, {len(formats)} formats and {len(lengths)} lengths; "
            "give one each for every rollout"
        )
    for value in (*accuracies, *formats, *(shuffled or ())):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{value!r} is not allowed as accuracy or format; give [0, 1]")
    granted = temporal_contrast(accuracies, shuffled or (), config).granted is True
    return [
        TGrpoTerms(
            accuracy=accuracy,
            format=form,
            temporal=config.bonus if granted and counts_as_right(accuracy, config) else 0.0,
            length=config.length_bonus * long_enough(accuracy, length, accuracies, config),
        )
        for accuracy, form, length in zip(accuracies, formats, lengths, strict=True)
    ]


def long_enough(
    accuracy: float, length: int, accuracies: Sequence[float], config: TemporalContrastConfig
) -> bool:
    """Whether a rollout earns the length bonus.

    Args:
        accuracy: its own, in [0, 1].
        length: its response tokens, end token included.
        accuracies: of the group's first pass; enough of them must be right.
        config: bounds and conditions.
    """
    enough = sum(counts_as_right(a, config) for a in accuracies) >= config.length_min_right
    in_bounds = config.length_low <= length <= config.length_high
    return enough and in_bounds and counts_as_right(accuracy, config)


def counts_as_right(accuracy: float, config: TemporalContrastConfig) -> bool:
    """Whether an accuracy counts as right here; not the verifier's verdict."""
    return accuracy >= config.right_from if config.inclusive else accuracy > config.right_from


def shuffled_order(frames: int, seed: int | str) -> tuple[int, ...]:
    """A uniformly random order of ``frames`` sampled frames; the same seed gives the same order.

    Raises:
        ValueError: fewer than one frame.
    """
    if frames < 1:
        raise ValueError(f"frames={frames} is not allowed; give at least 1")
    order = list(range(frames))
    random.Random(seed).shuffle(order)
    return tuple(order)


def _share(accuracies: Sequence[float], config: TemporalContrastConfig) -> float | None:
    if not accuracies:
        return None
    values = accuracies
    if config.binary:
        values = [float(counts_as_right(accuracy, config)) for accuracy in accuracies]
    return math.fsum(values) / len(values)
