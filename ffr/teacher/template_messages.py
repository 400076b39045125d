"""Conversations in OpenAI's form as chat templates of local models take them."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

__all__ = ["for_template"]


def for_template(
    messages: Sequence[Mapping[str, Any]], control: re.Pattern[str]
) -> tuple[list[dict[str, Any]], list[Image.Image]]:
    """Messages with image placeholders, and the images in reading order, as RGB.

    Control tokens are broken in every text but the system's, so that the template's own are the
    only ones.  Arguments of tool calls become objects, because templates print them as such.

    Args:
        messages: of one conversation.
        control: matches the model's control tokens.

    Raises:
        ValueError: an image is not given as a base64 data URL.
    """
    images: list[Image.Image] = []
    converted = []

    def plain(text: str) -> str:
        return control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    for message in messages:
        entry: dict[str, Any] = {"role": message["role"]}
        content = message.get("content")
        if isinstance(content, list):
            parts: list[dict[str, Any]] = []
            for block in content:
                if block["type"] == "text":
                    parts.append({"type": "text", "text": plain(block["text"])})
                else:
                    images.append(_image(block["image_url"]["url"]))
                    parts.append({"type": "image"})
            entry["content"] = parts
        else:
            text = content or ""
            entry["content"] = text if message["role"] == "system" else plain(text)
        if message.get("tool_calls"):
            entry["tool_calls"] = [_call(call) for call in message["tool_calls"]]
        if "tool_call_id" in message:
            entry["tool_call_id"] = message["tool_call_id"]
        converted.append(entry)
    return converted, images


def _image(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        raise ValueError("only images as base64 data URLs can be shown to a model in this process")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return image.convert("RGB")


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"])
    except (ValueError, RecursionError):
        arguments = {}
    return {
        "id": call["id"],
        "type": "function",
        "function": {
            "name": function["name"],
            "arguments": arguments if isinstance(arguments, dict) else {},
        },
    }
