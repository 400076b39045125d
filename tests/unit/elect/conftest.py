"""Candidates by number and polls over recorded texts: the engine needs no model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from ffr.config.elect import ElectConfig
from ffr.config.rler import EvidenceConfig
from ffr.elect.answers import AnswerReader
from ffr.elect.candidate import Candidate, CandidateReader, RawCandidate, evidence_score
from ffr.elect.election import Election, hold_election
from ffr.elect.referee import Claim
from ffr.elect.views import View
from rewards.rler import CitationScale, frame_sensitive_score, transparency

WORDS = EvidenceConfig(length_unit="words", length_high=40)


@dataclass
class RecordedPoll:
    """Answers view n with the n-th text; counts what it was asked."""

    reader: CandidateReader
    responses: Sequence[str | RawCandidate]
    verdict: str = "<sufficient>yes</sufficient><score>1</score>"
    views: list[View] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    async def candidates(self, views: Sequence[View]) -> list[RawCandidate]:
        self.views += views
        self.batches.append(len(views))
        await asyncio.sleep(0)
        given = [self.responses[view.number - 1] for view in views]
        return [RawCandidate(text) if isinstance(text, str) else text for text in given]

    async def check(self, claim: Claim) -> RawCandidate:
        self.claims.append(claim)
        return RawCandidate(self.verdict)


@pytest.fixture
def vote() -> Callable[..., Candidate]:
    """A candidate from the numbers the spec's examples give."""

    def make(
        number: int, key: str, cited: set[int] = frozenset(), invalid: int = 0, length: int = 384,
        rho: float = 0.0, c: float = 0.5, value: float | None = None,
    ) -> Candidate:  # fmt: skip
        s_fs, tau = frame_sensitive_score(len(cited), invalid), transparency(length)
        return Candidate(
            number, key, key, frozenset(cited), evidence_score(s_fs, tau, rho, c), c, s_fs, tau,
            rho, value, invalid_citations=invalid,
        )  # fmt: skip

    return make


@pytest.fixture
def poll() -> Callable[..., RecordedPoll]:
    def make(
        responses: Sequence[str | RawCandidate], kind: str = "choice",
        options: Sequence[str] = ("left", "right", "middle"), **more: object,
    ) -> RecordedPoll:  # fmt: skip
        reader = CandidateReader(AnswerReader(kind, options), CitationScale(32), WORDS)
        return RecordedPoll(reader, responses, **more)

    return make


@pytest.fixture
def elect() -> Callable[..., Election]:
    def run(poll: RecordedPoll, config: ElectConfig | None = None) -> Election:
        return asyncio.run(hold_election(poll, config or ElectConfig()))

    return run
