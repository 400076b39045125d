"""Format reward: 1 when the response is a think block and an answer block, nothing else.

Default mode asks the one parser (``student.parse``), which allows white space around the blocks;
parity keeps the released pattern, which does not but accepts repeated and empty blocks
(video_r2 §10.6).
"""

from __future__ import annotations

from rewards.accuracy import ScoringMode
from rewards.accuracy_parity import parity_format
from student.parse import ParsedResponse, parse_response

__all__ = ["format_reward"]


def format_reward(
    response: str, mode: ScoringMode = "default", *, parsed: ParsedResponse | None = None
) -> float:
    """1.0 or 0.0.

    Args:
        response: the whole decoded response.
        mode: our rule or the released one.
        parsed: the response already parsed, to save the work; default mode only.
    """
    if mode == "parity":
        return parity_format(response)
    return float((parsed or parse_response(response)).well_formed)
