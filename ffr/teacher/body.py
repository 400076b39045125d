"""The bytes of a request, without looking at every character of every image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["encode_body"]

_DATA_URL = "data:image/jpeg;base64,"  # base64 holds nothing JSON would escape


def encode_body(arguments: Mapping[str, Any]) -> bytes:
    """JSON of a chat-completions request; equal to ``json.dumps`` once it is parsed.

    Images are most of it, a megabyte a call, and are copied instead of encoded.

    Args:
        arguments: the request; ``messages`` in OpenAI's form.
    """
    others = {name: value for name, value in arguments.items() if name != "messages"}
    head = _json(others)[:-1]
    messages = b",".join(map(_message, arguments["messages"]))
    return b'%s%s"messages":[%s]}' % (head, b"," if others else b"", messages)


def _message(message: Mapping[str, Any]) -> bytes:
    content = message.get("content")
    if not isinstance(content, list):
        return _json(message)
    others = {name: value for name, value in message.items() if name != "content"}
    return b'%s,"content":[%s]}' % (_json(others)[:-1], _blocks(content))


def _blocks(content: Sequence[Mapping[str, Any]]) -> bytes:
    return b",".join(map(_block, content))


def _block(block: Mapping[str, Any]) -> bytes:
    if block.keys() == {"type", "image_url"} and block["image_url"].keys() == {"url"}:
        url: str = block["image_url"]["url"]
        if url.startswith(_DATA_URL) and url.isascii() and '"' not in url and "\\" not in url:
            return b'{"type":"image_url","image_url":{"url":"%s"}}' % url.encode("ascii")
    return _json(block)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
