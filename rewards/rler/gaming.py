"""The known ways to game RLER's reward, as metrics with warnings (spec rler §3.4, §3.7).

``s_fs`` grows with the number of cited frames, so citing everything pays; length and repetition
are not gated, so a wrong answer of a good shape can beat a right one.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["GradedCompletion", "gaming_metrics", "gaming_warnings"]

CITED_SHARE_LIMIT = 0.5
"""Mean share of cited frames above which citing everything is suspected (spec rler §3.4)."""
INVERSION_LIMIT = 0.2
"""Share of right-wrong pairs with the wrong one at least as well paid; ours."""
SHAPE_SHARE_LIMIT = 0.5
"""Share of the reward's variance inside groups that length alone explains; ours."""


@dataclass(frozen=True)
class GradedCompletion:
    """One completion of a group with what it earned.

    Attributes:
        group: its question.
        right: the verifier's verdict.
        reward: total reward.
        cited: number of cited units; ``units`` of how many.
        transparency: ``tau``, before its weight.
        repetition: ``rho``.
    """

    group: str
    right: bool
    reward: float
    cited: int
    units: int
    transparency: float
    repetition: float


def gaming_metrics(completions: Iterable[GradedCompletion]) -> dict[str, float]:
    """Flat metrics of a step; a rate without a denominator is left out (errata ruling 12).

    ``rler/cited_share/mean``: share of frames cited; ``rler/cites_all_rate``: completions that
    cite every frame; ``rler/transparency/mean``, ``rler/repetition/mean``;
    ``rler/wrong_beats_right_rate``: among pairs of a right and a wrong completion of one group,
    those in which the wrong one earns at least as much; ``rler/length_over_correctness``:
    squared correlation of reward and transparency inside groups, less that of reward and
    correctness, in [-1, 1].
    """
    rows = list(completions)
    metrics: dict[str, float] = {}
    shares = [row.cited / row.units for row in rows if row.units]
    if shares:
        metrics["rler/cited_share/mean"] = statistics.fmean(shares)
        metrics["rler/cites_all_rate"] = statistics.fmean(share == 1.0 for share in shares)
    if rows:
        metrics["rler/transparency/mean"] = statistics.fmean(row.transparency for row in rows)
        metrics["rler/repetition/mean"] = statistics.fmean(row.repetition for row in rows)
    groups: defaultdict[str, list[GradedCompletion]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    pairs = [
        wrong.reward >= right.reward
        for members in groups.values()
        for right in members if right.right
        for wrong in members if not wrong.right
    ]  # fmt: skip
    if pairs:
        metrics["rler/wrong_beats_right_rate"] = statistics.fmean(pairs)
    rewards = _within(groups.values(), lambda row: row.reward)
    by_shape = _explained(rewards, _within(groups.values(), lambda row: row.transparency))
    by_right = _explained(rewards, _within(groups.values(), lambda row: float(row.right)))
    if by_shape is not None:
        metrics["rler/length_over_correctness"] = by_shape - (by_right or 0.0)
    return metrics


def gaming_warnings(metrics: Mapping[str, float]) -> list[str]:
    """One readable line per incentive that seems to be exploited; empty when none is."""
    warnings = []
    cited = metrics.get("rler/cited_share/mean", 0.0)
    if cited > CITED_SHARE_LIMIT:
        warnings.append(
            f"the policy cites {cited:.0%} of all frames (limit {CITED_SHARE_LIMIT:.0%}): citing "
            "everything pays; set the evidence section's max_cited to 8"
        )
    inverted = metrics.get("rler/wrong_beats_right_rate", 0.0)
    if inverted > INVERSION_LIMIT:
        warnings.append(
            f"in {inverted:.0%} of right-wrong pairs the wrong answer earns as much or more "
            f"(limit {INVERSION_LIMIT:.0%}): set gate_think_transparency, or raise accuracy_weight"
        )
    shape = metrics.get("rler/length_over_correctness", 0.0)
    if shape > SHAPE_SHARE_LIMIT:
        warnings.append(
            f"length explains {shape:.0%} more of the reward than correctness does (limit "
            f"{SHAPE_SHARE_LIMIT:.0%}): set gate_think_transparency"
        )
    return warnings


def _within(
    groups: Iterable[Sequence[GradedCompletion]], value: Callable[[GradedCompletion], float]
) -> list[float]:
    """Values less their group's mean, groups one after the other."""
    centred: list[float] = []
    for members in groups:
        mean = math.fsum(value(row) for row in members) / len(members)
        centred += [value(row) - mean for row in members]
    return centred


def _explained(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Squared correlation of two centred lists; ``None`` when one of them does not vary."""
    size = math.fsum(x * x for x in ours) * math.fsum(y * y for y in theirs)
    if size < 1e-18:
        return None
    return math.fsum(x * y for x, y in zip(ours, theirs, strict=True)) ** 2 / size
