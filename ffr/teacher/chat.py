"""What the teacher loop needs of a model: one reply to a conversation, or a named failure.

Three things speak it: ``client.ChatClient`` (any endpoint), ``in_process.LocalVLM`` (a model in
this process) and ``text_tools.TextTools`` (either of them, with tool calls written as text).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = ["CallFailed", "ChatModel", "ChatReply", "FailureReason", "Message", "ToolRequest"]

Message = Mapping[str, Any]
"""A message in OpenAI's form."""
FailureReason = Literal["timeout", "deadline", "provider_error", "circuit_open", "budget_spent"]


class CallFailed(Exception):  # noqa: N818 - named for what happened
    """A chat completion could not be had; ``reason`` is a counter's name, ``detail`` for people."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: FailureReason = reason
        self.detail = detail


@dataclass(frozen=True)
class ToolRequest:
    """A tool call as the model wrote it; ``arguments`` is untrusted JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ChatReply:
    """The model's message. ``content`` is "" when there is none; ``cut_off``: hit the limit."""

    content: str
    tool_requests: tuple[ToolRequest, ...]
    cut_off: bool = False
    refusal: str = ""


class ChatModel(Protocol):
    """A model that answers conversations; used from one event loop."""

    model: str
    counters: Counter[str]
    """Outcomes of all attempts by kind, over the model's life."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        may_call_tools: bool = True,
        ends_at: float = math.inf,
        counters: Counter[str] | None = None,
    ) -> ChatReply:
        """One reply to a conversation.

        Args:
            messages: in OpenAI's form.
            tools: OpenAI function definitions; given as long as the conversation has any.
            may_call_tools: False forbids further calls.
            ends_at: ``time.monotonic()`` after which no further attempt may start.
            counters: gets the same counts as ``self.counters``, for this call alone.

        Raises:
            CallFailed: the one way a call fails.
        """
        ...

    def check_available(self) -> None:
        """Fail early, before any other work is done for a call.

        Raises:
            CallFailed: the circuit is open and no probe is due.
        """
        ...

    async def aclose(self) -> None:
        """Free everything it holds."""
        ...
