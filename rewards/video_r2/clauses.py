"""What a sentence says about each time it mentions: one short clause a time.

A sentence with one time gives its whole content.  With several, either every clause follows its
time ("At 0:05 he sits, at 0:09 he rises") or precedes it ("He sits at 0:05 and rises at 0:09");
times without words between them share a clause.  Ours: the released code asks a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["MAX_WORDS", "clauses_of_sentence", "compress_clause", "sentence_spans"]

MAX_WORDS = 10
"""Longest clause, in words (spec video_r2 §2.4)."""

_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")
_TAG = re.compile(r"<[^<>]{0,40}>")
_WORD = re.compile(r"\w+", re.UNICODE)
_EMPTY = frozenset({
    "a", "about", "also", "an", "and", "approximately", "around", "as", "at", "between", "by",
    "during", "frame", "frames", "from", "i", "in", "is", "it", "mark", "moment", "near", "of",
    "on", "point", "roughly", "s", "sec", "second", "seconds", "secs", "so", "that", "the",
    "then", "there", "time", "timestamp", "to", "until", "video", "when", "where", "while",
})  # fmt: skip


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every sentence; they cover the text except for the breaks."""
    begin = 0
    for match in _BREAK.finditer(text):
        yield begin, match.start()
        begin = match.end()
    yield begin, len(text)


def clauses_of_sentence(
    text: str, sentence: tuple[int, int], spans: Sequence[tuple[int, int]]
) -> list[str]:
    """The clause of each time of a sentence, "" where it says nothing.

    Args:
        text: holds the sentence.
        sentence: its place in ``text``.
        spans: places of the times in ``text``, in order; several may share one place.
    """
    places = sorted(set(spans))
    edges = [sentence[0], *(edge for place in places for edge in place), sentence[1]]
    pieces = [
        compress_clause(text[edges[i] : max(edges[i], edges[i + 1])])
        for i in range(0, len(edges), 2)
    ]
    found: list[str]
    if len(places) == 1:
        found = [compress_clause(" ".join(filter(None, pieces)))]
    elif not pieces[0]:
        found = list(_shared(pieces[:0:-1]))[::-1]
    else:
        found = list(_shared(pieces[:-1]))
    by_place = dict(zip(places, found, strict=True))
    return [by_place[span] for span in spans]


def compress_clause(text: str, max_words: int = MAX_WORDS) -> str:
    """The first words of ``text`` without tags and empty words at its ends; "" if none are left.

    Predictions and references go through it alike, because length moves a cosine.
    """
    words = [word.strip(".,;:!?\"'()[]*–—-") for word in _TAG.sub(" ", text).split()]
    words = [word for word in words if _WORD.search(word)]
    while words and words[0].lower() in _EMPTY:
        del words[0]
    while words and words[-1].lower() in _EMPTY:
        del words[-1]
    return " ".join(words[:max_words])


def _shared(pieces: Sequence[str]) -> Iterator[str]:
    """Each piece, or the one before it when it is empty."""
    last = ""
    for piece in pieces:
        last = piece or last
        yield last
