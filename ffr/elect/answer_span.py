"""Which tokens of a response are its answer: their log-probabilities are a confidence."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence

__all__ = ["span_in_pieces", "span_in_tokens"]

_OPEN, _CLOSE = "<answer>", "</answer>"


def span_in_pieces(pieces: Sequence[str]) -> range:
    """Indices of the pieces that overlap the content of the answer block; empty without one.

    Args:
        pieces: the text of each token; joined they are the response.
    """
    text = "".join(pieces)
    start = text.rfind(_OPEN)
    end = text.find(_CLOSE, start + len(_OPEN)) if start >= 0 else -1
    if end < 0:
        return range(0)
    start += len(_OPEN)
    inside = []
    at = 0
    for index, piece in enumerate(pieces):
        if at < end and at + len(piece) > start:
            inside.append(index)
        at += len(piece)
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def span_in_tokens(token_ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> range:
    """The same for token ids whose single tokens need not be whole characters.

    Prefixes are decoded by bisection, so a long response costs a few decodes.
    """
    text = decode(token_ids)
    start = text.rfind(_OPEN)
    end = text.find(_CLOSE, start + len(_OPEN)) if start >= 0 else -1
    if end < 0:
        return range(0)
    prefixes = range(len(token_ids) + 1)

    def length(count: int) -> int:
        return len(decode(token_ids[:count]))

    first = bisect.bisect_right(prefixes, start + len(_OPEN), key=length) - 1
    last = bisect.bisect_left(prefixes, end, key=length)
    return range(first, max(first, last))
