"""Whom to repair: which failures of a group go to the teacher (design §6.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ffr.config.repair import RepairConfig
from ffr.repair.scoring import ScoredRollout

__all__ = ["Selection", "select_failures"]


@dataclass(frozen=True)
class Selection:
    """Indices of failed rollouts, ascending.

    Attributes:
        ask: the teacher diagnoses these.
        empty: these would have been asked about but said nothing: no teacher call, counted.
    """

    ask: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()


def select_failures(group: Sequence[ScoredRollout], config: RepairConfig) -> Selection:
    """Decide for one group of first answers.

    ``when`` looks at the share of right answers in the whole group; ``max_per_question`` takes
    the first failures by index, empty responses not counted.
    """
    right = sum(scored.score.right for scored in group)
    if config.when == "no_signal" and right:
        return Selection()
    if config.when == "below" and right >= config.below_rate * len(group):
        return Selection()
    failed = [i for i, scored in enumerate(group) if not scored.score.right]
    ask = [i for i in failed if not group[i].empty]
    return Selection(
        ask=tuple(ask[: config.max_per_question]),
        empty=tuple(i for i in failed if group[i].empty),
    )
