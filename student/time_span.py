"""Read an answer that is a stretch of time, strictly: the whole text is the stretch."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["format_span", "parse_span"]

_SPAN = re.compile(
    r"(?:from|between)?\s*[\[(]?\s*(?P<start>[\d:.]{1,20})\s*(?:s|secs?|seconds?)?"
    r"\s*(?:to|and|until|-|\u2013|\u2014|,)\s*"
    r"(?P<end>[\d:.]{1,20})\s*(?:s|secs?|seconds?)?\s*[\])]?\.?",
    re.ASCII | re.IGNORECASE,
)
_TIME = re.compile(
    r"(?:(?:(?P<h>\d{1,3}):)?(?P<m>\d{1,3}):)?(?P<s>\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})", re.ASCII
)
_MAX_CHARS = 200


def parse_span(text: str) -> tuple[float, float] | None:
    """Start and end in seconds, or ``None``.

    ``3.2 to 7.5``, ``from 3.2 s to 7.5 s``, ``[3.2, 7.5]``, ``3.2-7.5 seconds`` and
    ``00:03 - 00:07.5`` are read. A stretch that ends where or before it begins is none.
    """
    if len(text) > _MAX_CHARS:
        return None
    plain = unicodedata.normalize("NFKC", text).strip().strip("*_`").strip()
    match = _SPAN.fullmatch(plain)
    if match is None:
        return None
    start, end = _seconds(match.group("start")), _seconds(match.group("end"))
    if start is None or end is None or end <= start:
        return None
    return start, end


def format_span(start_s: float, end_s: float) -> str:
    """``3.2 to 7.5``: how gold answers write a stretch."""
    return f"{start_s:.10g} to {end_s:.10g}"


def _seconds(text: str) -> float | None:
    # A full stop at the end of the sentence is taken for a decimal point without digits.
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hours, minutes = int(match.group("h") or 0), int(match.group("m") or 0)
    return 3600.0 * hours + 60.0 * minutes + float(match.group("s"))
