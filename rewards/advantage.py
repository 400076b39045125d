"""Group-normalised advantages in float64, with a dead group at exactly zero.

``A_i = (R_i - mean) / (std + epsilon)`` with the unbiased standard deviation (spec ffr §5).
A group whose spread is below ``min_spread`` carries no signal: eight equal rewards of 1.7
have a tiny float32 spread that would otherwise be divided by an equally tiny epsilon
(errata, "numeric trap").
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ffr.config.repair import AdvantageConfig

__all__ = ["CategoryAdvantage", "advantages_by_category", "group_advantages", "group_spread"]


@dataclass(frozen=True)
class CategoryAdvantage:
    """Advantages of one category of rows: how many and their mean."""

    count: int
    mean: float


def group_spread(rewards: Sequence[float]) -> float | None:
    """Unbiased standard deviation, or ``None`` (not available) for fewer than two rewards."""
    if len(rewards) < 2:
        return None
    mean = math.fsum(rewards) / len(rewards)
    return math.sqrt(math.fsum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))


def group_advantages(
    rewards: Sequence[float],
    groups: Sequence[str],
    config: AdvantageConfig,
    *,
    repaired_right: Sequence[bool] | None = None,
) -> list[float]:
    """Advantage of each reward within its own group, in the given order.

    Args:
        rewards: total rewards, finite.
        groups: the group label of each reward; equal labels share one baseline.
        config: normalisation by the spread or not, epsilon, dead-group threshold, floor.
        repaired_right: which rewards belong to right repaired answers; only the floor of
            ``config.floor_repaired_correct`` reads it.

    Returns:
        One advantage per reward. A group of one, and a group whose spread is below
        ``config.min_spread``, gets exactly 0.0.

    Raises:
        ValueError: lengths differ, a reward is not finite, or the floor is on without flags.
    """
    if len(rewards) != len(groups):
        raise ValueError(f"{len(rewards)} rewards but {len(groups)} group labels; give one each")
    for index, reward in enumerate(rewards):
        if not math.isfinite(reward):
            raise ValueError(f"rewards[{index}]={reward!r} is not finite; fix the reward term")
    floored = config.floor_repaired_correct
    if floored and (repaired_right is None or len(repaired_right) != len(rewards)):
        raise ValueError("floor_repaired_correct needs one repaired_right flag per reward")

    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    advantages = [0.0] * len(rewards)
    for indices in members.values():
        values = [float(rewards[i]) for i in indices]
        spread = group_spread(values)
        if spread is None or spread == 0.0 or spread < config.min_spread:
            continue
        mean = math.fsum(values) / len(values)
        scale = spread + config.epsilon if config.norm_by_std else 1.0
        for i, value in zip(indices, values, strict=True):
            advantages[i] = (value - mean) / scale
    if floored and repaired_right is not None:
        advantages = [
            max(0.0, a) if right else a for a, right in zip(advantages, repaired_right, strict=True)
        ]
    return advantages


def advantages_by_category(
    rows: Iterable[tuple[str, float]],
) -> dict[str, CategoryAdvantage]:
    """Count and mean advantage per category (spec ffr §5, consequence 3), sorted by name."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for category, advantage in rows:
        values[category].append(advantage)
    return {
        category: CategoryAdvantage(len(found), math.fsum(found) / len(found))
        for category, found in sorted(values.items())
    }
