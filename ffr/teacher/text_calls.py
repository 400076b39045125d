"""Tool calls written as text: what a reply without native tool calling asks for.

Read are ``<tool_call>{...}</tool_call>`` blocks (Qwen, Hermes), fenced JSON, and a message that is
nothing but one JSON object; each object has ``name`` and ``arguments`` (or ``parameters``).  As
with final answers, only what follows the thinking counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ffr.teacher.chat import ToolRequest
from ffr.teacher.final_answer import after_thinking

__all__ = ["read_tool_calls"]

_MAX_CALLS = 16
_MAX_CHARACTERS = 20_000
_BLOCK = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FENCE = re.compile(r"(?:```|~~~)[ \t]*\w*[ \t]*\n(.*?)(?:```|~~~|\Z)", re.DOTALL)
_MADE_UP = re.compile(r"</?tool_response\b.*", re.DOTALL)  # results are ours to give
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]{1,60})"')


def read_tool_calls(content: str) -> tuple[str, tuple[ToolRequest, ...]]:
    """The reply without thinking and calls, and the calls in order (at most 16).

    Without any call the reply is given back as it is.

    A block that is no JSON gives a call with the text as its arguments, which the tool runner
    refuses with a reason: the model is told instead of being taken to have answered.
    """
    if len(content) > 10 * _MAX_CHARACTERS:
        return content, ()
    told = _MADE_UP.sub("", after_thinking(content))
    found: list[tuple[str, str]] = []
    if "<tool_call>" in told:
        for block in _BLOCK.findall(told):
            found += _calls(block) or [_unreadable(block)]
        rest = _BLOCK.sub("", told)
    else:
        rest = told
        for match in _FENCE.finditer(told):
            calls = _calls(match.group(1))
            found += calls
            rest = rest.replace(match.group(), "") if calls else rest
        if not found:
            found = _calls(told)
            rest = "" if found else told
    if not found:
        return content, ()
    requests = tuple(
        ToolRequest(f"call_{i}", name, arguments)
        for i, (name, arguments) in enumerate(found[:_MAX_CALLS])
    )
    return rest.strip(), requests


def _calls(text: str) -> list[tuple[str, str]]:
    """Every call in a text that is JSON and nothing else: one object, a list, or lines of them."""
    text = text.strip()
    if not text.startswith(("{", "[")) or len(text) > _MAX_CHARACTERS:
        return []
    try:
        value = _loads(text)
    except ValueError:
        try:
            value = [_loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return []
    items = value if isinstance(value, list) else [value]
    calls = list(_each(items))
    return calls if len(calls) == len(items) else []


def _each(items: list[Any]) -> Iterator[tuple[str, str]]:
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("function"), dict):
            item = item["function"]
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            continue
        arguments = item.get("arguments", item.get("parameters", {}))
        if isinstance(arguments, dict | str):
            yield item["name"], arguments if isinstance(arguments, str) else json.dumps(arguments)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _unreadable(block: str) -> tuple[str, str]:
    name = _NAME.search(block)
    return (name.group(1) if name else "unreadable"), block.strip()[:_MAX_CHARACTERS]
