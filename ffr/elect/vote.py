"""The evidence-weighted vote (spec rler §5 step 6, §8.15).

``w_i = S_i (1 + lambda J_i)``, ``V(a) = sum of w_i``, ``share = V(a) / sum``; ``J_i`` is the mean
Jaccard overlap of a supporter's citations with those of the other supporters of its answer.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffr.config.elect import BudgetConfig, VoteConfig
from ffr.elect.candidate import Candidate
from ffr.elect.clusters import weighted_lower_median

__all__ = ["Tally", "count_votes", "jaccard"]

_DECIMALS = 9


@dataclass(frozen=True)
class Tally:
    """The result of one count.

    Attributes:
        order: answer keys, the winner first.
        votes: ``V`` by key.
        weights: ``w`` by candidate number.
        agreement: ``J`` by candidate number.
        confidence: ``c`` bar, mean confidence of those the budget looks at.
        supporters: candidates by key, in order of their numbers.
    """

    order: tuple[str, ...]
    votes: dict[str, float]
    weights: dict[int, float]
    agreement: dict[int, float]
    confidence: float
    supporters: dict[str, tuple[Candidate, ...]]

    @property
    def winner(self) -> str:
        """Key of the elected answer."""
        return self.order[0]

    @property
    def runner_up(self) -> str | None:
        """Key of the second answer, if there is one."""
        return self.order[1] if len(self.order) > 1 else None

    @property
    def shares(self) -> dict[str, float]:
        """``V`` normalised to 1; equal shares when nothing weighs anything."""
        total = math.fsum(self.votes.values())
        if total <= 0.0:
            return dict.fromkeys(self.votes, 1.0 / len(self.votes))
        return {key: value / total for key, value in self.votes.items()}

    @property
    def margin(self) -> float:
        """Lead of the winner's share over the runner-up's; 1 without a runner-up."""
        shares = self.shares
        return shares[self.order[0]] - (shares[self.order[1]] if len(self.order) > 1 else 0.0)

    def best_supporter(self, key: str) -> Candidate:
        """The supporter of an answer with the largest weight, the earlier of two equals."""
        return min(self.supporters[key], key=lambda c: (-self.weights[c.number], c.number))

    def spokesman(self, key: str, *, clustered: bool) -> Candidate:
        """Whose wording stands for an answer: the best supporter, or a cluster's lower median."""
        if clustered:
            return weighted_lower_median(self.supporters[key], self.weights)
        return self.best_supporter(key)


def jaccard(ours: frozenset[int], theirs: frozenset[int]) -> float:
    """Shared over united citations; 0 when neither cites anything."""
    union = ours | theirs
    return len(ours & theirs) / len(union) if union else 0.0


def count_votes(
    retained: Sequence[Candidate],
    vote: VoteConfig,
    budget: BudgetConfig,
    factors: Mapping[str, float] | None = None,
) -> Tally:
    """Count the votes of the retained candidates; their order does not matter.

    Ties (``V`` equal to nine decimals) go to more supporters, larger mean agreement, larger best
    score, smaller candidate number; without evidence weights to more supporters, then the number.

    Args:
        retained: at least one candidate; numeric ones already carry their cluster's key.
        vote: what a vote weighs.
        budget: which candidates' confidence is averaged.
        factors: answer key to factor on its votes, from the referee.

    Raises:
        ValueError: there is no candidate.
    """
    if not retained:
        raise ValueError("there is no valid candidate to count; an election without votes is void")
    groups: dict[str, list[Candidate]] = {}
    for candidate in sorted(retained, key=lambda c: c.number):
        groups.setdefault(candidate.key, []).append(candidate)
    agreement = {c.number: _agreement(c, g) for g in groups.values() for c in g}
    factor = factors or {}
    weights = {
        c.number: _weight(c, agreement[c.number], vote) * factor.get(key, 1.0)
        for key, group in groups.items()
        for c in group
    }
    votes = {key: math.fsum(weights[c.number] for c in group) for key, group in groups.items()}

    def rank(key: str) -> tuple[float, ...]:
        group = groups[key]
        evidence = (
            statistics.fmean(agreement[c.number] for c in group),
            max(c.score for c in group),
        )
        return (
            round(votes[key], _DECIMALS),
            len(group),
            *(evidence if vote.weights == "evidence" else ()),
            -group[0].number,
        )

    order = tuple(sorted(votes, key=rank, reverse=True))
    heard = groups[order[0]] if budget.confidence_scope == "leader" else retained
    return Tally(
        order=order,
        votes=votes,
        weights=weights,
        agreement=agreement,
        confidence=math.fsum(c.confidence for c in heard) / len(heard),
        supporters={key: tuple(group) for key, group in groups.items()},
    )


def _agreement(candidate: Candidate, group: Sequence[Candidate]) -> float:
    others = [c for c in group if c is not candidate]
    if not others:
        return 0.0
    return math.fsum(jaccard(candidate.cited, c.cited) for c in others) / len(others)


def _weight(candidate: Candidate, agreement: float, vote: VoteConfig) -> float:
    match vote.weights:
        case "uniform":
            return 1.0
        case "confidence":
            return candidate.confidence
        case _:
            return candidate.score * (1.0 + vote.agreement * agreement)
