"""An election as a record: one JSON line that holds everything, raw texts included."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ffr.elect.candidate import Candidate, InvalidVote
from ffr.elect.election import Election, Polled
from ffr.elect.referee import best_cited
from rewards.rler import CitationScale

__all__ = [
    "CandidateRecord", "CitedRecord", "ElectionRecord", "RefereeRecord", "VoteRecord", "record_of",
]  # fmt: skip


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CandidateRecord(_Record):
    """One candidate; ``reason`` is set when it had no vote, ``answer`` when it had one."""

    view: int
    temperature: float
    spatial: str
    brightness: float
    text: str
    answer: str | None = None
    key: str | None = None
    reason: str | None = None
    detail: str = ""
    cited: tuple[int, ...] = ()
    invalid_citations: int = 0
    frame_sensitive: float | None = None
    transparency: float | None = None
    repetition: float | None = None
    confidence: float | None = None
    confidence_from: str | None = None
    score: float | None = None
    agreement: float | None = None
    weight: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class VoteRecord(_Record):
    """One answer in the final count."""

    answer: str
    key: str
    votes: float
    share: float
    supporters: tuple[int, ...]


class CitedRecord(_Record):
    """A unit (frame or group) cited for the elected answer, with the weight behind it."""

    unit: int
    t_s: float | None
    weight: float


class RefereeRecord(_Record):
    """What the referee did; ``text`` and ``error`` are those of a model."""

    by: str
    r: float
    readable: bool
    factor: float
    first_winner: str
    overturned: bool
    text: str | None = None
    error: str | None = None


class ElectionRecord(_Record):
    """One election.

    Attributes:
        status: ``elected``, ``no_answer`` (no candidate had a vote), ``failed`` (no response at
            all), ``skipped`` (it was never held, see ``skipped``).
        accuracy, right: against the gold answer; ``None`` without one.
        generated: candidates drawn, the referee not counted.
        seconds: wall time.
    """

    question_id: str
    status: Literal["elected", "no_answer", "failed", "skipped"]
    answer: str | None = None
    votes: tuple[VoteRecord, ...] = ()
    margin: float | None = None
    confidence: float | None = None
    generated: int = 0
    stopped_early: bool = False
    retained: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    cited: tuple[CitedRecord, ...] = ()
    units: int = 0
    referee: RefereeRecord | None = None
    candidates: tuple[CandidateRecord, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    family: str = ""
    accuracy: float | None = None
    right: bool | None = None
    right_before_referee: bool | None = None
    skipped: str | None = None


def record_of(
    question_id: str, election: Election, scale: CitationScale, *, clustered: bool = False,
    seconds: float = 0.0, **more: Any,
) -> ElectionRecord:  # fmt: skip
    """The record of an election.

    Args:
        question_id: which question it was.
        election: the outcome.
        scale: what could be cited, for the times.
        clustered: whether answers are numbers that vote in clusters.
        seconds: wall time.
        more: further fields, such as ``accuracy`` and ``right``.
    """
    tally = election.tally
    fields: dict[str, Any] = {}
    if tally is not None:
        shares = tally.shares
        fields = {
            "votes": tuple(
                VoteRecord(
                    answer=tally.spokesman(key, clustered=clustered).answer,
                    key=key,
                    votes=tally.votes[key],
                    share=shares[key],
                    supporters=tuple(c.number for c in tally.supporters[key]),
                )
                for key in tally.order
            ),
            "margin": tally.margin,
            "confidence": tally.confidence,
            "cited": tuple(
                CitedRecord(unit=unit, t_s=scale.time_of(unit), weight=weight)
                for unit, weight in best_cited(tally, tally.winner, scale.count).items()
            ),
        }
    return ElectionRecord(
        question_id=question_id,
        status=election.status,
        answer=election.answer,
        generated=election.generated,
        stopped_early=election.stopped_early,
        retained=election.retained,
        dropped=election.dropped,
        units=scale.count,
        referee=_referee(election),
        candidates=tuple(_candidate(polled, election) for polled in election.polled),
        prompt_tokens=election.prompt_tokens,
        completion_tokens=election.completion_tokens,
        seconds=seconds,
        **fields,
        **more,
    )


def _referee(election: Election) -> RefereeRecord | None:
    check = election.referee
    if check is None:
        return None
    return RefereeRecord(
        by=check.by, r=check.r, readable=check.readable, factor=check.factor,
        first_winner=check.first_winner, overturned=check.overturned,
        text=None if check.raw is None else check.raw.text,
        error=None if check.raw is None else check.raw.error,
    )  # fmt: skip


def _candidate(polled: Polled, election: Election) -> CandidateRecord:
    view, raw, vote = polled.view, polled.raw, polled.vote
    tally = election.tally
    known: dict[str, Any] = {}
    if isinstance(vote, InvalidVote):
        known = {"reason": vote.reason, "detail": vote.detail}
    elif isinstance(vote, Candidate):
        known = {
            "answer": vote.answer, "key": vote.key, "cited": tuple(sorted(vote.cited)),
            "invalid_citations": vote.invalid_citations, "frame_sensitive": vote.frame_sensitive,
            "transparency": vote.transparency, "repetition": vote.repetition,
            "confidence": vote.confidence, "confidence_from": vote.confidence_from,
            "score": vote.score,
        }  # fmt: skip
        if tally is not None and vote.number in tally.weights:
            known["agreement"] = tally.agreement[vote.number]
            known["weight"] = tally.weights[vote.number]
    return CandidateRecord(
        view=view.number, temperature=view.temperature, spatial=view.spatial,
        brightness=view.brightness, text=raw.text, prompt_tokens=raw.prompt_tokens,
        completion_tokens=raw.completion_tokens, seconds=raw.seconds, **known,
    )  # fmt: skip
