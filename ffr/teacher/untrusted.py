"""Text from students, datasets and tools on its way into a teacher's prompt."""

from __future__ import annotations

import re

__all__ = ["defuse"]

_CONTROL = re.compile(
    r"<(?=\|[^<>|\s]{1,60}\|>)"  # control tokens of chat templates
    r"|<(?=/?(?:tool_call|tool_response|tools)\b)",  # our own frame for tools as text
    re.IGNORECASE,
)


def defuse(text: str) -> str:
    """Break control tokens and tool tags, so that quoted text cannot end its message.

    Chat templates paste contents as they are and tokenizers read ``<|im_end|>`` in them as the
    end of the turn: a student's response could otherwise speak as the system.
    """
    return _CONTROL.sub("‹", text)
