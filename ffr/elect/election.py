"""The whole election of one question: ask, read, count, ask again, check (spec rler §5).

Nothing here knows an engine: a ``Poll`` is one question that can be asked under a view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ffr.config.elect import ElectConfig
from ffr.elect.budget import enough, next_batch
from ffr.elect.candidate import Candidate, CandidateReader, InvalidVote, RawCandidate
from ffr.elect.clusters import cluster
from ffr.elect.outliers import drop_outliers
from ffr.elect.referee import Claim, claim_of, is_wanted, read_verdict, referee_factor, rule_score
from ffr.elect.views import View, view_schedule
from ffr.elect.vote import Tally, count_votes

__all__ = ["Election", "Poll", "Polled", "RefereeCheck", "hold_election"]

Status = Literal["elected", "no_answer", "failed"]


class Poll(Protocol):
    """One question that can be asked again and again."""

    @property
    def reader(self) -> CandidateReader:
        """How its responses are read."""
        ...

    async def candidates(self, views: Sequence[View]) -> list[RawCandidate]:
        """Ask under several views together, one response each, in order.

        A failed call is a ``RawCandidate`` with its error, never raised.
        """
        ...

    async def check(self, claim: Claim) -> RawCandidate:
        """Ask the model whether the cited frames support a claim; errors as in ``candidates``."""
        ...


@dataclass(frozen=True)
class Polled:
    """One candidate with its way: view, response, vote."""

    view: View
    raw: RawCandidate
    vote: Candidate | InvalidVote


@dataclass(frozen=True)
class RefereeCheck:
    """What the referee did.

    Attributes:
        by: who was asked.
        r: how well the winner is supported, in [0, 1].
        readable: False when the reply gave no verdict; ``r`` is then 1, nothing changes.
        factor: ``phi`` on the votes of the first winner.
        first_winner: key of the winner before the check.
        overturned: another answer won after it.
        raw: the reply of a model.
    """

    by: Literal["model", "rule"]
    r: float
    readable: bool
    factor: float
    first_winner: str
    overturned: bool
    raw: RawCandidate | None = None


@dataclass(frozen=True)
class Election:
    """The outcome.

    Attributes:
        status: ``no_answer``: no candidate had a vote; ``failed``: not even a response came.
        answer: the elected answer as its spokesman said it; ``None`` without votes, never a guess.
        tally: the final count; ``None`` without votes.
        polled: all candidates in order of their views, ``k`` of them.
        retained, dropped: numbers of the valid ones by what the outlier rule did.
        stopped_early: the budget was not used up.
        referee: ``None`` when it was not asked.
    """

    status: Status
    answer: str | None
    tally: Tally | None
    polled: tuple[Polled, ...]
    retained: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    stopped_early: bool = False
    referee: RefereeCheck | None = None

    @property
    def generated(self) -> int:
        """``k``: candidates drawn, invalid ones included, the referee not."""
        return len(self.polled)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, the referee's included."""
        return sum(raw.prompt_tokens for raw in self._raws())

    @property
    def completion_tokens(self) -> int:
        """Tokens of all responses, the referee's included."""
        return sum(raw.completion_tokens for raw in self._raws())

    def _raws(self) -> list[RawCandidate]:
        raws = [polled.raw for polled in self.polled]
        if self.referee is not None and self.referee.raw is not None:
            raws.append(self.referee.raw)
        return raws


async def hold_election(poll: Poll, config: ElectConfig) -> Election:
    """Elect an answer; candidates of one batch are asked for together.

    Raises:
        Exception: what the poll raises for reasons other than a failed call.
    """
    schedule = view_schedule(config)
    clustered = poll.reader.answers.clustered
    polled: list[Polled] = []
    valid: list[Candidate] = []
    retained: list[Candidate] = []
    tally: Tally | None = None
    stopped = False
    while not stopped and (count := next_batch(config, len(polled), len(valid))):
        views = schedule[len(polled) : len(polled) + count]
        raws = await poll.candidates(views)
        polled += [
            Polled(view, raw, poll.reader.read(raw, view))
            for view, raw in zip(views, raws, strict=True)
        ]
        valid = [p.vote for p in polled if isinstance(p.vote, Candidate)]
        retained = _retained(valid, config, clustered=clustered)
        tally = count_votes(retained, config.vote, config.budget) if retained else None
        stopped = enough(config, tally, len(valid))
    stopped_early = stopped and len(polled) < config.most_candidates
    if tally is None:
        return Election(_void(polled), None, None, tuple(polled))
    referee = await _referee(poll, config, tally, clustered=clustered)
    if referee is not None and referee.factor < 1.0:
        factors = {tally.winner: referee.factor}
        tally = count_votes(retained, config.vote, config.budget, factors)
        if tally.winner != referee.first_winner:
            referee = replace(referee, overturned=True)
    kept = {c.number for c in retained}
    return Election(
        status="elected",
        answer=tally.spokesman(tally.winner, clustered=clustered).answer,
        tally=tally,
        polled=tuple(polled),
        retained=tuple(c.number for c in valid if c.number in kept),
        dropped=tuple(c.number for c in valid if c.number not in kept),
        stopped_early=stopped_early,
        referee=referee,
    )


def _retained(
    valid: Sequence[Candidate], config: ElectConfig, *, clustered: bool
) -> list[Candidate]:
    kept = drop_outliers(valid, config.outliers)
    return cluster(kept) if clustered else kept


def _void(polled: Sequence[Polled]) -> Status:
    silent = all(isinstance(p.vote, InvalidVote) and p.vote.reason == "failed" for p in polled)
    return "failed" if silent else "no_answer"


async def _referee(
    poll: Poll, config: ElectConfig, tally: Tally, *, clustered: bool
) -> RefereeCheck | None:
    settings = config.referee
    if config.mode == "single" or not is_wanted(settings, tally):
        return None
    raw = None
    found: float | None = None
    if settings.by == "rule":
        found = rule_score(tally)
    else:
        raw = await poll.check(claim_of(tally, settings, clustered=clustered))
        if raw.error is None:
            found = read_verdict(raw.text)
    r = 1.0 if found is None else found
    return RefereeCheck(
        by=settings.by,
        r=r,
        readable=found is not None,
        factor=referee_factor(r, settings),
        first_winner=tally.winner,
        overturned=False,
        raw=raw,
    )
