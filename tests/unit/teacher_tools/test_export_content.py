"""Evidence as messages, as chat-template blocks and as JSON."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from typing import Any

import numpy as np
import pytest
from openai.types.chat import ChatCompletionMessageParam
from PIL import Image
from pydantic import TypeAdapter

from ffr.geometry import Span
from teacher_tools import Evidence, Frame, ToolResult, encode_jpeg
from teacher_tools.export import chat_content, evidence_record, openai_messages


def picture(value: int) -> Any:
    return np.full((40, 60, 3), value, np.uint8)


EVIDENCE = Evidence(
    frames=(
        Frame(picture(10), 1.5, pts=15, label="before"),
        Frame(picture(200), 2.25, pts=22, box=(0.25, 0.0, 0.5, 1.0)),
    ),
    text="Two frames.",
    span=Span(start_s=1.0, end_s=3.0),
)
GOOD = ToolResult("look", {}, EVIDENCE, "Two frames.")
REFUSED = ToolResult("look", {}, None, "t_s=9 is past the end")
CAPTIONS = [
    "Picture 1 of 2: before",
    "Picture 2 of 2: t=2.25s, region [0.250, 0.000, 0.500, 1.000]",
]


def test_openai_messages_are_what_the_api_takes() -> None:
    tool, user = openai_messages("call_1", GOOD)
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python([tool, user])
    assert tool == {"role": "tool", "tool_call_id": "call_1", "content": "Two frames."}
    assert [part["text"] for part in user["content"][::2]] == CAPTIONS
    for part, value in zip(user["content"][1::2], (10, 200), strict=True):
        head, data = part["image_url"]["url"].split(",", 1)
        assert head == "data:image/jpeg;base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert shown.shape == (40, 60, 3)
        assert abs(int(shown.mean()) - value) <= 2


@pytest.mark.parametrize("result", [REFUSED, ToolResult("look", {}, Evidence(text=""), "")])
def test_without_pictures_there_is_one_message(result: ToolResult) -> None:
    (message,) = openai_messages("call_1", result)
    assert message["content"] == (result.message or "(no text)")


def test_chat_content_names_each_picture() -> None:
    blocks = chat_content(GOOD)
    assert [b["type"] for b in blocks] == ["text", "text", "image", "text", "image"]
    assert [b["text"] for b in blocks if b["type"] == "text"] == ["Two frames.", *CAPTIONS]
    assert all(isinstance(b["image"], Image.Image) for b in blocks if b["type"] == "image")
    assert chat_content(REFUSED) == [{"type": "text", "text": "t_s=9 is past the end"}]


def test_the_record_is_json_and_names_images_by_content() -> None:
    record = evidence_record(EVIDENCE)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["text"] == "Two frames."
    assert record["span"] == {"start_s": 1.0, "end_s": 3.0, "box": None}
    first, second = record["frames"]
    assert (first["t_s"], first["pts"], first["box"], first["label"]) == (1.5, 15, None, "before")
    assert second["box"] == [0.25, 0.0, 0.5, 1.0]
    assert (second["width"], second["height"]) == (60, 40)
    jpeg = encode_jpeg(EVIDENCE.frames[0].image)
    assert first["image_sha256"] == hashlib.sha256(jpeg).hexdigest() != second["image_sha256"]
