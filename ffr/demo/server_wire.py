"""Chat-completions bodies: validation of requests, and responses in OpenAI's form.

Only what the demo teacher needs is accepted (no streaming, one choice, images as data URLs);
everything else is refused with a message that names the parameter.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffr.demo.observer import Reply
from ffr.demo.observer_images import ImageReader, UnreadableImageError

__all__ = ["ChatRequest", "RequestError", "error_body", "models_body", "parse_chat", "reply_body"]

MODEL = "ffr-demo-observer"
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_CHARACTERS_PER_TOKEN = 4
_IMAGE_TOKEN_SIDE = 28


class RequestError(Exception):
    """A request this server refuses: HTTP status, message and the parameter at fault."""

    def __init__(self, message: str, *, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


@dataclass(frozen=True)
class ChatRequest:
    """A validated request: message dicts have the shapes ``observer_reading`` relies on.

    Attributes:
        tools: tools that may be called now; empty when ``tool_choice`` is ``none``.
        prompt_tokens: estimate, four characters or a 28 x 28 pixel square each.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    prompt_tokens: int


def parse_chat(body: bytes, images: ImageReader) -> ChatRequest:
    """Validate the body of ``POST /v1/chat/completions``.

    Raises:
        RequestError: anything malformed, unreadable or not supported.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not valid JSON: {error}") from error
    if not isinstance(request, dict):
        raise RequestError("the body must be a JSON object")
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("model must be a non-empty string", param="model")
    if request.get("stream"):
        raise RequestError("stream=true is not supported; leave it out", param="stream")
    if request.get("n") not in (None, 1):
        raise RequestError("n must be 1", param="n")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a non-empty list", param="messages")
    tokens = 0
    for number, message in enumerate(messages):
        tokens += _check_message(message, f"messages[{number}]", images)
    tools = _check_tools(request.get("tools"))
    tokens += len(json.dumps(tools)) // _CHARACTERS_PER_TOKEN if tools else 0
    allowed = [] if request.get("tool_choice") == "none" else tools
    return ChatRequest(model=model, messages=messages, tools=allowed, prompt_tokens=tokens)


def reply_body(request: ChatRequest, reply: Reply) -> dict[str, Any]:
    """The ``chat.completion`` object for an observer's reply."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.content or None}
    if reply.calls:
        # Ids need only be unique within a conversation; counting messages keeps them so.
        message["tool_calls"] = [
            {
                "id": f"call_{len(request.messages)}_{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
            }
            for number, call in enumerate(reply.calls)
        ]
    written = len(reply.content) + len(json.dumps(message.get("tool_calls", "")))
    completion = max(1, written // _CHARACTERS_PER_TOKEN)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if reply.calls else "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": request.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": request.prompt_tokens + completion,
        },
    }


def models_body() -> dict[str, Any]:
    """The answer to ``GET /v1/models``."""
    return {
        "object": "list",
        "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "ffr"}],
    }


def error_body(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None
) -> dict[str, Any]:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}


def _check_message(message: Any, where: str, images: ImageReader) -> int:
    """Refuse a malformed message; return its estimated tokens."""
    if not isinstance(message, dict):
        raise RequestError(f"{where} must be an object", param=where)
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise RequestError(
            f"{where}.role={role!r} is not allowed; use one of {', '.join(sorted(_ROLES))}",
            param=f"{where}.role",
        )
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise RequestError(f"{where}.tool_call_id must be a string", param=where)
    content = message.get("content")
    tokens = 0
    if isinstance(content, str):
        tokens += len(content) // _CHARACTERS_PER_TOKEN
    elif isinstance(content, list):
        for number, block in enumerate(content):
            tokens += _check_block(block, f"{where}.content[{number}]", images)
    elif content is not None or role in ("user", "tool"):
        raise RequestError(f"{where}.content must be text or a list of blocks", param=where)
    calls = message.get("tool_calls")
    if calls is not None and role == "assistant":
        tokens += _check_calls(calls, f"{where}.tool_calls")
    return tokens


def _check_block(block: Any, where: str, images: ImageReader) -> int:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text" and isinstance(block.get("text"), str):
        return len(block["text"]) // _CHARACTERS_PER_TOKEN
    if kind == "image_url":
        target = block.get("image_url")
        url = target.get("url") if isinstance(target, dict) else None
        if not isinstance(url, str):
            raise RequestError(f"{where}.image_url.url must be a string", param=where)
        try:
            width, height = images.size(url)
        except UnreadableImageError as error:
            raise RequestError(f"{where}: {error}", param=where) from error
        return -(-width // _IMAGE_TOKEN_SIDE) * -(-height // _IMAGE_TOKEN_SIDE)
    raise RequestError(f"{where} must be a text or image_url block", param=where)


def _check_calls(calls: Any, where: str) -> int:
    if not isinstance(calls, list):
        raise RequestError(f"{where} must be a list", param=where)
    written = 0
    for number, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if (
            not isinstance(function, dict)
            or not isinstance(call.get("id"), str)
            or not isinstance(function.get("name"), str)
            or not isinstance(function.get("arguments"), str)
        ):
            raise RequestError(
                f"{where}[{number}] needs id, function.name and function.arguments as strings",
                param=f"{where}[{number}]",
            )
        written += len(function["name"]) + len(function["arguments"])
    return written // _CHARACTERS_PER_TOKEN


def _check_tools(tools: Any) -> list[dict[str, Any]]:
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise RequestError("tools must be a list", param="tools")
    for number, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if (
            not isinstance(function, dict)
            or tool.get("type") != "function"
            or not isinstance(function.get("name"), str)
            or not isinstance(function.get("parameters") or {}, dict)
        ):
            raise RequestError(
                f"tools[{number}] must be a function tool with a name and a parameters object",
                param=f"tools[{number}]",
            )
    return tools
