"""One candidate: what the model said, what it is worth, or why it does not count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ffr.config.rler import EvidenceConfig
from ffr.elect.answers import AnswerReader
from ffr.elect.views import View
from rewards.rler import CitationScale, TokenCounter, evidence_terms, read_response
from rewards.rler.confidence import DEFAULT_CONFIDENCE, confidence_from_log_probs
from rewards.rler.reading import RlerReading

__all__ = [
    "Candidate", "CandidateReader", "ConfidenceSource", "InvalidVote", "RawCandidate", "Reason",
    "evidence_score",
]  # fmt: skip

Reason = Literal["failed", "truncated", "no_answer", "unreadable_answer"]
ConfidenceSource = Literal["said", "log_probs", "default"]


@dataclass(frozen=True)
class RawCandidate:
    """What came back for one view.

    Attributes:
        text: the response; ``""`` when the call failed.
        error: why there is no response.
        truncated: the token limit cut it off.
        answer_log_probs: of the tokens of the answer, if the engine gives them.
        log_probs: of all tokens, if it gives them.
        prompt_tokens, completion_tokens: as the engine counts them; 0 when it does not say.
        seconds: wall time of the call.
        token_ids: the response as sampled, if the engine gives it.
        transient: a failed call that may succeed when it is made again.
    """

    text: str
    error: str | None = None
    truncated: bool = False
    answer_log_probs: tuple[float, ...] = ()
    log_probs: tuple[float, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    token_ids: tuple[int, ...] = ()
    transient: bool = False


@dataclass(frozen=True)
class Candidate:
    """A valid vote.

    Attributes:
        number: its view's number; the last tie-break.
        key: what its answer is compared by.
        answer: its answer as it said it.
        cited: ``K``, the units it cites.
        score: ``S``, evidence score in [0, 1].
        confidence: ``c`` in [0, 1].
        frame_sensitive, transparency, repetition: ``s_fs``, ``tau``, ``rho``.
        value: the number of a numeric answer.
        think: its reasoning.
        confidence_from: where the confidence comes from.
        invalid_citations: ``E``.
    """

    number: int
    key: str
    answer: str
    cited: frozenset[int]
    score: float
    confidence: float
    frame_sensitive: float = 0.0
    transparency: float = 0.0
    repetition: float = 0.0
    value: float | None = None
    think: str = ""
    confidence_from: ConfidenceSource = "said"
    invalid_citations: int = 0


@dataclass(frozen=True)
class InvalidVote:
    """A candidate without a vote; it counts in the budget."""

    number: int
    reason: Reason
    detail: str = ""


def evidence_score(
    frame_sensitive: float, transparency: float, repetition: float, confidence: float
) -> float:
    """``S = (s_fs + tau + (1 - rho) + c) / 4``: the training terms without their gates."""
    return 0.25 * (frame_sensitive + transparency + (1.0 - repetition) + confidence)


@dataclass(frozen=True)
class CandidateReader:
    """Turns raw responses to one question into votes.

    Attributes:
        answers: how answers are compared.
        scale: what may be cited.
        config: how responses are read.
        count_tokens: the policy's tokenizer, when lengths are in tokens.
        span: whose log-probabilities are the confidence of a model that reports none.
    """

    answers: AnswerReader
    scale: CitationScale
    config: EvidenceConfig
    count_tokens: TokenCounter | None = None
    span: Literal["answer", "response"] = "answer"

    def read(self, raw: RawCandidate, view: View) -> Candidate | InvalidVote:
        """A vote, or why there is none; never raises for what a model said.

        A response that the token limit cut off is no vote even when an answer stands in it: its
        citations and its confidence are missing.
        """
        if raw.error is not None:
            return InvalidVote(view.number, "failed", raw.error)
        if raw.truncated:
            return InvalidVote(view.number, "truncated", "the token limit cut the response off")
        reading = read_response(raw.text, self.scale, self.config)
        if reading.answer is None:
            return InvalidVote(view.number, "no_answer", ", ".join(reading.problems))
        read = self.answers.read(reading.answer)
        if read is None:
            return InvalidVote(view.number, "unreadable_answer", reading.answer[:200])
        return self._vote(raw, view, reading, *read)

    def _vote(
        self, raw: RawCandidate, view: View, reading: RlerReading, key: str, value: float | None
    ) -> Candidate:
        terms = evidence_terms(reading, self.config, self.count_tokens)
        confidence, source = _confidence(reading, raw, self.span)
        return Candidate(
            number=view.number,
            key=key,
            answer=reading.answer or "",
            cited=reading.citations.units,
            score=evidence_score(
                terms.frame_sensitive, terms.transparency, terms.repetition, confidence
            ),
            confidence=confidence,
            frame_sensitive=terms.frame_sensitive,
            transparency=terms.transparency,
            repetition=terms.repetition,
            value=value,
            think=reading.think,
            confidence_from=source,
            invalid_citations=reading.citations.invalid,
        )


def _confidence(
    reading: RlerReading, raw: RawCandidate, span: Literal["answer", "response"]
) -> tuple[float, ConfidenceSource]:
    if reading.confidence is not None:
        return reading.confidence, "said"
    measured = confidence_from_log_probs(
        raw.answer_log_probs if span == "answer" else raw.log_probs
    )
    if measured is not None:
        return measured, "log_probs"
    return DEFAULT_CONFIDENCE, "default"
