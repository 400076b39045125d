"""How many candidates to draw, and when to stop (spec rler §5 step 7, errata ruling 6)."""

from __future__ import annotations

from ffr.config.elect import ElectConfig
from ffr.elect.vote import Tally

__all__ = ["enough", "next_batch"]

_EXACT = 1e-9
"""A margin or confidence exactly at its bound does not stop; float noise must not decide."""
_LEAST_VALID = 2


def next_batch(config: ElectConfig, generated: int, valid: int) -> int:
    """How many candidates to draw next; 0 when the budget is spent.

    The first batch is drawn at once, so are the valid candidates still missing after it, and
    without early stopping the whole budget.

    Args:
        config: the election's settings.
        generated: candidates drawn so far, invalid ones included.
        valid: those of them with a vote.
    """
    left = config.most_candidates - generated
    if left <= 0:
        return 0
    budget = config.budget
    if not budget.early_stop:
        return left
    missing = max(budget.first, _LEAST_VALID if generated else 0) - valid
    return min(left, max(missing, budget.step if generated else 1))


def enough(config: ElectConfig, tally: Tally | None, valid: int) -> bool:
    """Whether to stop early: lead and confidence both strictly above their bounds.

    Only valid candidates count towards the first test, and one alone never stops it.
    """
    budget = config.budget
    if not budget.early_stop or tally is None or valid < max(budget.first, _LEAST_VALID):
        return False
    return (
        tally.margin > budget.margin + _EXACT and tally.confidence > budget.confidence + _EXACT
    )
