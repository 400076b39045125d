"""Video-R2's total reward, with components that may be missing (spec video_r2 §6.2, §6.4).

``R = w_acc acc (1 - λ (1 - g)) + w_fmt fmt + w_tar g TAR``.  A component that could not be had is
left out of its whole group, so that advantages compare like with like (errata ruling 10).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffr.config.video_r2 import VideoR2RewardConfig

__all__ = ["GroupTotals", "ResponseScores", "Terms", "component_metrics", "group_totals",
           "video_r2_terms"]  # fmt: skip

Terms = Mapping[str, float | None]
"""Weighted components of one response by name; ``None``: missing."""


@dataclass(frozen=True)
class ResponseScores:
    """What one response is worth before weights.

    Attributes:
        accuracy: in [0, 1].
        format: 0 or 1.
        tar: in [0, 1]; ``None`` when it is not available.
        gate: 1 or 0; ``None`` when unknown.
    """

    accuracy: float
    format: float
    tar: float | None
    gate: float | None


@dataclass(frozen=True)
class GroupTotals:
    """Rewards of one group.

    Attributes:
        totals: one a response: the sum of the components every member has.
        used: names of these components.
        dropped: components left out, with the number of members that lack them.
    """

    totals: tuple[float, ...]
    used: tuple[str, ...]
    dropped: Mapping[str, int]


def video_r2_terms(scores: ResponseScores, config: VideoR2RewardConfig) -> dict[str, float | None]:
    """The components ``accuracy``, ``format`` and ``tar`` of one response, weighted.

    An unknown gate makes ``tar`` missing and takes nothing off the accuracy.

    Raises:
        ValueError: a score is outside [0, 1] or not finite.
    """
    for name, value in vars(scores).items():
        if value is not None and not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}={value!r} is not allowed; give a value in [0, 1] or None")
    discount, gate = 0.0, scores.gate
    if config.consistency is None:
        gate = 1.0
    elif gate is not None:
        discount = config.consistency.discount * (1.0 - gate)
    tar = None if scores.tar is None or gate is None else config.tar_weight * gate * scores.tar
    return {
        "accuracy": config.accuracy_weight * scores.accuracy * (1.0 - discount),
        "format": config.format_weight * scores.format,
        "tar": tar,
    }


def group_totals(group: Sequence[Terms]) -> GroupTotals:
    """Totals over the components that every member of one group has.

    Args:
        group: the terms of each response to one question.

    Raises:
        ValueError: the members name different components, or a value is not finite.
    """
    names = tuple(group[0]) if group else ()
    for index, terms in enumerate(group):
        if set(terms) != set(names):
            raise ValueError(
                f"response {index} has components {sorted(terms)} but the first has "
                f"{sorted(names)}; name the same ones, None where missing"
            )
        for name, value in terms.items():
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name}={value!r} is not finite; use None where it is missing")
    missing = Counter(name for terms in group for name in names if terms[name] is None)
    used = tuple(name for name in names if not missing[name])
    totals = tuple(math.fsum(terms[name] or 0.0 for name in used) for terms in group)
    return GroupTotals(totals, used, dict(missing))


def component_metrics(
    groups: Sequence[Sequence[Terms]], prefix: str = "reward"
) -> dict[str, float]:
    """Flat metrics of every component of a step; what has no denominator is left out.

    ``<prefix>/<name>/mean``, ``/std`` (population, over responses that have it), ``/missing``
    (count) and ``/zero_variance`` (share of groups, among those that all members have it in, whose
    members earn the same).
    """
    metrics: dict[str, float] = {}
    for name in sorted({name for group in groups for terms in group for name in terms}):
        rows = [[terms.get(name) for terms in group] for group in groups]
        known = [value for row in rows for value in row if value is not None]
        metrics[f"{prefix}/{name}/missing"] = float(sum(v is None for row in rows for v in row))
        if known:
            metrics[f"{prefix}/{name}/mean"] = statistics.fmean(known)
            metrics[f"{prefix}/{name}/std"] = statistics.pstdev(known)
        full = [[v for v in row if v is not None] for row in rows if row and None not in row]
        if full:
            flat = [max(row) - min(row) < 1e-6 for row in full]
            metrics[f"{prefix}/{name}/zero_variance"] = statistics.fmean(flat)
    return metrics
