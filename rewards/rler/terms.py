"""The three evidence measures of one response, for rewards and election alike (spec rler §1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ffr.config.rler import EvidenceConfig
from rewards.rler.anti_repetition import repetition
from rewards.rler.frame_sensitive import frame_sensitive_score
from rewards.rler.reading import RlerReading
from rewards.rler.think_transparency import transparency

__all__ = ["EvidenceTerms", "TokenCounter", "count_words", "evidence_terms"]

TokenCounter = Callable[[str], int]
"""How many tokens of the policy's tokenizer a text has, special tokens left out."""


@dataclass(frozen=True)
class EvidenceTerms:
    """Measures without gates.

    Attributes:
        frame_sensitive: ``s_fs`` in [0, 1).
        transparency: ``tau`` in [0, 1].
        repetition: ``rho`` in [0, 1).
        length: of the reasoning, in the configured unit.
    """

    frame_sensitive: float
    transparency: float
    repetition: float
    length: int


def count_words(text: str) -> int:
    """White-space separated words."""
    return len(text.split())


def evidence_terms(
    reading: RlerReading, config: EvidenceConfig, count_tokens: TokenCounter | None = None
) -> EvidenceTerms:
    """Measure a response that has been read.

    Args:
        reading: the response.
        config: unit and bounds of the length, size of the n-grams.
        count_tokens: needed when ``length_unit`` is ``tokens``.

    Raises:
        ValueError: lengths are in tokens and no counter was given.
    """
    if config.length_unit == "words":
        count_tokens = count_words
    if count_tokens is None:
        raise ValueError(
            "length_unit='tokens' needs the policy's tokenizer; pass count_tokens, or set "
            "length_unit to 'words' with a fitting length_high"
        )
    length = count_tokens(reading.think) if reading.think else 0
    cited = reading.citations
    return EvidenceTerms(
        frame_sensitive=frame_sensitive_score(len(cited.units), cited.invalid),
        transparency=transparency(length, config.length_low, config.length_high),
        repetition=repetition(reading.think, config.ngram),
        length=length,
    )
