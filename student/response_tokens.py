"""Which tokens of a response belong to its reasoning."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from student.parse import parse_response

__all__ = ["think_tokens"]


def think_tokens(token_ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> range:
    """Indices of the tokens that write the content of the think block, tags left out.

    A token that writes both a tag and content counts as content.  Empty when the response is
    malformed (``student.parse``) or the block is empty.

    Args:
        token_ids: the response.
        decode: text of a list of tokens.
    """
    text = decode(token_ids)
    if parse_response(text).think is None:
        return range(0)
    start = text.index("<think>") + len("<think>")
    end = text.index("</think>")

    def written(count: int) -> int:
        """How much of the text the first ``count`` tokens write."""
        return len(decode(token_ids[:count]))

    counts = range(len(token_ids) + 1)
    first = bisect_right(counts, start, key=written) - 1
    return range(first, max(first, bisect_left(counts, end, key=written)))
