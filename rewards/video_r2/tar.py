"""Temporal Alignment Reward: do the times a reasoning cites agree with the reference events?

Default (spec video_r2 §6.4): maximum matching, a one-sided tolerance, precision and capped recall,
and a guard on the number of matches.  Parity (§6.2): precision of a greedy matching, both
intervals widened, anything that goes wrong scores 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ffr.config.video_r2 import TarConfig
from rewards.video_r2.clauses import compress_clause
from rewards.video_r2.encoders import SentenceEncoder
from rewards.video_r2.events import Claims, References, TimedEvent
from rewards.video_r2.matching import gap_s, greedy_matching, maximum_matching
from rewards.video_r2.sanitiser import released_sanitiser

__all__ = ["TarScore", "coarse_sampling", "default_tar", "released_tar", "tar_value"]

_SLACK = 1e-9


@dataclass(frozen=True)
class TarScore:
    """TAR of one response.

    Attributes:
        value: in [0, 1]; ``None`` when it is not available.
        matched: claims that found an event of their own.
        n_claims: claims of the response.
        n_references: events of the question.
        n_too_long: claims longer than allowed; they match nothing but count as claims.
        missing: why there is no value, else "".
        problem: what made the released code give 0, else "".
    """

    value: float | None
    matched: int = 0
    n_claims: int = 0
    n_references: int = 0
    n_too_long: int = 0
    missing: str = ""
    problem: str = ""


def tar_value(matched: int, claims: int, references: int, config: TarConfig) -> float:
    """``F_beta(M / P, min(1, M / min(G, K))) * min(1, M / min(N_min, G))`` in [0, 1].

    Raises:
        ValueError: no reference, or more matches than claims or references.
    """
    if references < 1 or not 0 <= matched <= min(claims, references):
        raise ValueError(
            f"matched={matched}, claims={claims}, references={references} is not allowed; give at "
            "least one reference and no more matches than claims or references"
        )
    if matched == 0:
        return 0.0
    precision = matched / claims
    recall = min(1.0, matched / min(references, config.recall_cap))
    weight = config.beta**2
    f_score = (1 + weight) * precision * recall / (weight * precision + recall)
    return f_score * min(1.0, matched / min(config.min_matches, references))


def default_tar(
    claims: Claims,
    references: References,
    *,
    duration_s: float,
    encoder: SentenceEncoder,
    config: TarConfig,
) -> TarScore:
    """TAR of our own form.

    Args:
        claims: of the response.
        references: of the question; none means that TAR is not available.
        duration_s: length of the video in seconds.
        encoder: compares clauses, both sides cut to ``config.max_words``.
        config: tolerance, threshold and the rest.
    """
    events = references.events
    if not events:
        return TarScore(None, n_claims=len(claims.events), missing="no_references")
    longest = max(config.max_claim_s, config.max_claim_share * duration_s)
    short = [c for c in claims.events if c.end_s - c.start_s <= longest + _SLACK]
    near = [c for c in short if any(_near(c, e, config.tolerance_s) for e in events)]
    matched = 0
    if near:
        threshold = encoder.threshold if config.threshold is None else config.threshold
        cosines = encoder.cosines(
            [compress_clause(e.text, config.max_words) or e.text for e in events],
            [compress_clause(c.text, config.max_words) for c in near],
        )
        matched = maximum_matching(
            [
                [
                    i
                    for i, claim in enumerate(near)
                    if row[i] >= threshold and _near(claim, event, config.tolerance_s)
                ]
                for event, row in zip(events, cosines, strict=True)
            ]
        )
    return TarScore(
        tar_value(matched, len(claims.events), len(events), config),
        matched=matched,
        n_claims=len(claims.events),
        n_references=len(events),
        n_too_long=len(claims.events) - len(short),
    )


def released_tar(
    predicted: object, reference: object, encoder: SentenceEncoder, config: TarConfig
) -> TarScore:
    """TAR as released, habits included; a failure scores 0 and is named in ``problem``.

    Args:
        predicted: what the judge's JSON held, or ``keyed_claims`` of the rules.
        reference: the record's ``temporal_grounding``.
        encoder: compares sentences.
        config: ``tolerance_s`` (widens both sides) and ``threshold``.
    """
    try:
        claims, events = _released_claims(predicted), _released_claims(reference)
    except (TypeError, ValueError, OverflowError) as error:
        return TarScore(0.0, problem=type(error).__name__)
    if not claims or not events:
        return TarScore(0.0, n_claims=len(claims), n_references=len(events))
    threshold = encoder.threshold if config.threshold is None else config.threshold
    matched = greedy_matching(
        encoder.cosines([c.text for c in claims], [e.text for e in events]),
        [[gap_s(c, e) <= 2 * config.tolerance_s for e in events] for c in claims],
        threshold,
    )
    return TarScore(
        matched / len(claims), matched=matched, n_claims=len(claims), n_references=len(events)
    )


def coarse_sampling(frames: int, duration_s: float, tolerance_s: float) -> float | None:
    """Frame spacing in seconds when it exceeds the tolerance; ``None`` when it does not.

    Then TAR asks for more than the student can see, which deserves a warning (defect D23).

    Raises:
        ValueError: fewer than one frame.
    """
    if frames < 1:
        raise ValueError(f"frames={frames} is not allowed; give at least 1")
    spacing = duration_s / max(1, frames - 1)
    return spacing if spacing > tolerance_s + _SLACK else None


def _near(claim: TimedEvent, event: TimedEvent, tolerance_s: float) -> bool:
    return gap_s(claim, event) <= tolerance_s + _SLACK


def _released_claims(entries: object) -> list[TimedEvent]:
    """Sanitised entries with a sentence, by the middle of their time; a string is read as JSON."""
    if isinstance(entries, str):
        entries = json.loads(entries)
    if not isinstance(entries, Mapping):
        raise TypeError(f"{type(entries).__name__} is no dictionary of timestamps")
    claims = []
    for key, sentence in released_sanitiser(entries).items():
        if not isinstance(sentence, str | None):
            raise TypeError(f"{type(sentence).__name__} is no sentence")
        if sentence is not None and sentence.strip():
            ends = [_whole(end) for end in key.split("-")]
            claims.append(TimedEvent(ends[0], ends[-1], sentence.strip()))
    return sorted(claims, key=lambda c: c.start_s + c.end_s)


def _whole(key: str) -> float:
    seconds = 0
    for part in key.split(":"):
        seconds = 60 * seconds + int(part)
    return float(seconds)
