"""Self-reported confidence of a response (spec rler §2.4 rule 4, errata ruling 7)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = ["DEFAULT_CONFIDENCE", "confidence_from_log_probs", "parse_confidence"]

DEFAULT_CONFIDENCE = 0.5
"""Of a candidate that says nothing and comes without log-probabilities."""

_BLOCK = re.compile(r"<confidence>([^<]*)</confidence>")
_VALUE = re.compile(r"(\d{1,6}(?:\.\d{0,12})?|\.\d{1,12})\s*(%?)", re.ASCII)


def parse_confidence(text: str) -> float | None:
    """Confidence in [0, 1] from the one ``<confidence>`` block behind the reasoning.

    A per cent sign or a value in (1, 100] means per cent, so 1.5 is 0.015. Missing, repeated,
    negative, above 100, NaN, infinite or unreadable is ``None``.
    """
    blocks = _BLOCK.findall(text.rpartition("</think>")[2])
    match = _VALUE.fullmatch(blocks[0].strip()) if len(blocks) == 1 else None
    if match is None:
        return None
    value = float(match.group(1))
    if match.group(2) or value > 1.0:
        value /= 100.0
    return value if value <= 1.0 else None


def confidence_from_log_probs(log_probs: Sequence[float]) -> float | None:
    """``exp(mean log-probability)`` of the answer's tokens, in [0, 1]; ``None`` without any."""
    if not log_probs or not all(math.isfinite(p) for p in log_probs):
        return None
    return min(1.0, math.exp(math.fsum(log_probs) / len(log_probs)))
