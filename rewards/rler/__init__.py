"""RLER's evidence terms, once for both sides: training rewards and the election's scores.

``read_response`` reads a response, ``evidence_terms`` measures it. ``rewards.components`` makes
gated rewards of the measures, ``ffr.elect`` uses them as they are.
"""

from __future__ import annotations

from rewards.rler.anti_repetition import repetition
from rewards.rler.citations import Citations, CitationScale, cited_frames, cited_times
from rewards.rler.frame_sensitive import frame_sensitive_score
from rewards.rler.gaming import GradedCompletion, gaming_metrics, gaming_warnings
from rewards.rler.reading import RlerReading, read_response
from rewards.rler.terms import EvidenceTerms, TokenCounter, count_words, evidence_terms
from rewards.rler.think_transparency import transparency

__all__ = [
    "CitationScale",
    "Citations",
    "EvidenceTerms",
    "GradedCompletion",
    "RlerReading",
    "TokenCounter",
    "cited_frames",
    "cited_times",
    "count_words",
    "evidence_terms",
    "frame_sensitive_score",
    "gaming_metrics",
    "gaming_warnings",
    "read_response",
    "repetition",
    "transparency",
]
