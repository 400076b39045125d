"""Tools for models without native tool calling: described in the prompt, called in the reply.

Wraps any ``ChatModel``, so that the loop sees tool calls and results in one form.  On the wire
there are only system, user and assistant messages, in turn, as every chat template takes them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ffr.teacher.chat import ChatModel, ChatReply, Message
from ffr.teacher.text_calls import read_tool_calls

__all__ = ["TextTools", "text_tools_hash"]

_TOOLS = """\
How to call a tool
Write one block for each call, and end your message after the last block:
<tool_call>
{{"name": "the tool's name", "arguments": {{"argument": value}}}}
</tool_call>
The results come back in <tool_response> blocks, in the order of your calls, and their images \
after them. A message without such a block is taken as your final answer.
The tools, as JSON schemas:
{schemas}"""


class TextTools:
    """A model with tools in text form.

    Args:
        model: answers conversations; is never given tools.
    """

    def __init__(self, model: ChatModel) -> None:
        self.model = model.model
        self.counters = model.counters
        self._model = model

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        may_call_tools: bool = True,  # noqa: ARG002 - the conversation itself says so in words
        ends_at: float = math.inf,
        counters: Counter[str] | None = None,
    ) -> ChatReply:
        """One reply to a conversation; see ``ChatModel``.

        Raises:
            CallFailed: from the wrapped model.
        """
        reply = await self._model.complete(
            as_text(messages, tools), ends_at=ends_at, counters=counters
        )
        if not tools or reply.tool_requests:
            return reply
        content, requests = read_tool_calls(reply.content)
        return dataclasses.replace(reply, content=content, tool_requests=requests)

    def check_available(self) -> None:
        """See ``ChatModel``."""
        self._model.check_available()

    async def aclose(self) -> None:
        """Close the wrapped model."""
        await self._model.aclose()


def text_tools_hash() -> str:
    """SHA-256 in hex of the fixed wording."""
    return hashlib.sha256(_TOOLS.encode()).hexdigest()


def as_text(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The conversation without tool calls and tool messages; roles alternate after the system's."""
    plain: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        if role == "system" and tools:
            schemas = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
            content = f"{content}\n\n{_TOOLS.format(schemas=schemas)}"
        elif role == "tool":
            role = "user"
            content = [_block(f"<tool_response>\n{content}\n</tool_response>")]
        elif message.get("tool_calls"):
            content = "\n".join([content or "", *map(_call_text, message["tool_calls"])]).strip()
        if plain and role == plain[-1]["role"] == "user":
            plain[-1] = {**plain[-1], "content": _blocks(plain[-1]["content"]) + _blocks(content)}
        else:
            plain.append({"role": role, "content": content})
    return plain


def _call_text(call: Mapping[str, Any]) -> str:
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"])
    except (ValueError, RecursionError):
        arguments = function["arguments"]
    body = json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [_block(content)] if isinstance(content, str) else list(content)


def _block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
