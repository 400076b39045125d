"""Texts cut at the times they mention, so that a page can link them to its timeline."""

from __future__ import annotations

from rewards.video_r2.timestamps import TimeMention, extract_times

__all__ = ["MAX_CHARS", "Piece", "cut", "cut_at_times"]

Piece = str | list[str | float]
"""Plain text, or ``[text, start_s, end_s]``."""

MAX_CHARS = 20_000
"""Longer texts are cut; what is missing is said at their end."""


def cut_at_times(text: str) -> tuple[list[Piece], list[float]]:
    """The pieces of a text, in order, and the times it mentions in seconds.

    A range counts with its start and its end; times inside a ``<keyframes>`` block, which is one
    piece, count each. The pieces put together are the text.
    """
    text = cut(text)
    pieces: list[Piece] = []
    times: list[float] = []
    at = 0
    spans: dict[tuple[int, int], list[TimeMention]] = {}
    for mention in extract_times(text).mentions:
        spans.setdefault(mention.char_span, []).append(mention)
    for (start, end), mentions in sorted(spans.items()):
        if start < at:
            continue
        if start > at:
            pieces.append(text[at:start])
        first = min(m.start_s for m in mentions)
        last = max(m.end_s for m in mentions)
        pieces.append([text[start:end], _short(first), _short(last)])
        for mention in mentions:
            times += sorted({_short(mention.start_s), _short(mention.end_s)})
        at = end
    if at < len(text):
        pieces.append(text[at:])
    return pieces, times


def cut(text: str) -> str:
    """The text, or its beginning with a note of how much is missing."""
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[:MAX_CHARS]} [... {len(text) - MAX_CHARS:,} more characters]"


def _short(value: float) -> float:
    return round(value, 3)
