"""Robust Improvement Reward: what the chosen attempt earns (spec ffr §5).

``R = z (R(first) + F(first)) + (1 - z) (R(second) + F(second) - kappa)``: a right first answer
earns its own reward; a repaired one pays the tax ``kappa``, right or wrong; a failure without a
patch keeps its own, untaxed reward (our rule). Two options are ours: the improvement guard keeps
a failed original that earns at least as much as its repair, and ``lambda_dep`` rewards a right
repair whose rationale rests on the cited evidence. ``reward.components`` adds further terms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from ffr.config.rewards import RewardConfig
from ffr.data.question import AnswerType

__all__ = [
    "PARTIAL_CREDIT",
    "AttemptScore",
    "Guard",
    "RirTerms",
    "attempt_terms",
    "guard_applies",
    "missing_components",
    "robust_improvement_reward",
]

Guard = Literal["never", "partial_credit", "always"]
PARTIAL_CREDIT: frozenset[AnswerType] = frozenset({"ocr", "free_form", "regression", "span"})


@dataclass(frozen=True)
class AttemptScore:
    """What one attempt is worth before weights.

    Attributes:
        accuracy: in [0, 1].
        format: 0 or 1.
        right: the verifier's verdict, by accuracy alone (spec ffr §5, edge cases).
        dependency: alignment with the cited evidence in [0, 1]; ``None`` when not available.
        components: further values by name (``rewards.components``); ``None`` where missing.
    """

    accuracy: float
    format: float
    right: bool
    dependency: float | None = None
    components: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class RirTerms:
    """The reward of one attempt, term by term; ``total`` is their sum.

    Attributes:
        chosen: which attempt the terms belong to.
        accuracy: weighted accuracy.
        format: weighted format reward.
        dependency: weighted dependency alignment (0 unless a right repair and ``lambda_dep`` > 0).
        tax: ``-kappa`` for a repaired attempt, else 0.
        guarded: the improvement guard kept the original although a repair existed.
        components: weighted further terms; ``None``: missing, and not in the sum.
    """

    chosen: Literal["first", "second"]
    accuracy: float
    format: float
    dependency: float = 0.0
    tax: float = 0.0
    guarded: bool = False
    components: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The reward."""
        base = self.accuracy + self.format + self.dependency + self.tax
        if not self.components:
            return base
        return base + math.fsum(value for value in self.components.values() if value is not None)

    def without(self, names: Set[str]) -> RirTerms:
        """The same terms with these components missing."""
        if not names & self.components.keys():
            return self
        kept = {k: None if k in names else v for k, v in self.components.items()}
        return replace(self, components=kept)


def attempt_terms(
    score: AttemptScore, config: RewardConfig, attempt: Literal["first", "second"]
) -> RirTerms:
    """Reward of one attempt on its own: a first one untaxed, a second one taxed."""
    repaired = attempt == "second"
    dependency = 0.0
    if repaired and score.right and score.dependency is not None:
        dependency = config.lambda_dep * score.dependency
    return RirTerms(
        chosen=attempt,
        accuracy=config.accuracy_weight * score.accuracy,
        format=config.format_weight * score.format,
        dependency=dependency,
        tax=-config.kappa if repaired else 0.0,
        components={
            entry.name: None if (value := score.components.get(entry.name)) is None
            else entry.weight * value
            for entry in config.components
        },
    )


def missing_components(terms: Iterable[RirTerms]) -> set[str]:
    """Components that at least one of these lacks: left out of all, so that like meets like."""
    return {name for t in terms for name, value in t.components.items() if value is None}


def guard_applies(guard: Guard, answer_type: AnswerType) -> bool:
    """Whether the improvement guard covers questions of this type."""
    return guard == "always" or (guard == "partial_credit" and answer_type in PARTIAL_CREDIT)


def robust_improvement_reward(
    first: AttemptScore,
    second: AttemptScore | None,
    config: RewardConfig,
    *,
    answer_type: AnswerType,
    guard: Guard = "partial_credit",
) -> RirTerms:
    """Reward of the chosen attempt of one index.

    Args:
        first: the first pass.
        second: the repaired attempt; ``None`` when there is none.
        config: weights, ``kappa``, ``lambda_dep``.
        answer_type: decides whether the guard applies.
        guard: keep the original unless the repair earns strictly more.

    Returns:
        The terms of the attempt that stands for this index, named in ``chosen``.

    Raises:
        ValueError: a second attempt was given although the first was right.
    """
    own = attempt_terms(first, config, "first")
    if second is None:
        return own
    if first.right:
        raise ValueError("a right first answer is never repaired; pass second=None")
    repaired = attempt_terms(second, config, "second")
    if guard_applies(guard, answer_type):
        missing = missing_components((own, repaired))
        if own.without(missing).total >= repaired.without(missing).total:
            return replace(own, guarded=True)
    return repaired
