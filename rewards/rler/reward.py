"""RLER's training reward of one completion, term by term (spec rler §3.1).

``R = w_acc A + w_fmt F + w_fs gate(A, F) s_fs + w_tt tau - w_ar rho``.  The terms are plain
numbers, so another stage (RIR's tax, TAR) adds its own beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffr.config.rler import RlerRewardConfig
from rewards.rler.frame_sensitive import frame_sensitive_reward
from rewards.rler.terms import EvidenceTerms

__all__ = ["RlerTerms", "rler_reward"]


@dataclass(frozen=True)
class RlerTerms:
    """The weighted terms of one completion; ``total`` is their sum."""

    accuracy: float
    format: float
    frame_sensitive: float
    think_transparency: float
    anti_repetition: float

    @property
    def total(self) -> float:
        """The reward."""
        return (
            self.accuracy
            + self.format
            + self.frame_sensitive
            + self.think_transparency
            + self.anti_repetition
        )


def rler_reward(
    accuracy: float, format_reward: float, terms: EvidenceTerms, config: RlerRewardConfig
) -> RlerTerms:
    """The reward of one completion.

    Args:
        accuracy: in [0, 1], from ``rewards.accuracy``.
        format_reward: 0 or 1, ``RlerReading.format``.
        terms: from ``evidence_terms``.
        config: weights and gates.

    Raises:
        ValueError: accuracy or format is outside [0, 1].
    """
    for name, value in (("accuracy", accuracy), ("format_reward", format_reward)):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}={value!r} is not allowed; give a value in [0, 1]")
    gate = accuracy if config.gate_think_transparency else 1.0
    return RlerTerms(
        accuracy=config.accuracy_weight * accuracy,
        format=config.format_weight * format_reward,
        frame_sensitive=config.frame_sensitive_weight
        * frame_sensitive_reward(accuracy, format_reward, terms.frame_sensitive, config),
        think_transparency=config.think_transparency_weight * gate * terms.transparency,
        anti_repetition=-config.anti_repetition_weight * terms.repetition,
    )
