"""Evidence as the content of messages, and as JSON."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from PIL import Image

from teacher_tools.encode import encode_jpeg
from teacher_tools.evidence import Evidence, Frame
from teacher_tools.runner import ToolResult

__all__ = ["caption", "chat_content", "evidence_record", "openai_messages"]


def caption(frame: Frame, number: int, count: int) -> str:
    """What stands above a picture, so that a model can name it: position, time and region."""
    text = f"Picture {number} of {count}: {frame.label or f't={frame.t_s:.2f}s'}"
    if frame.box is not None:
        text += f", region [{', '.join(f'{v:.3f}' for v in frame.box)}]"
    return text


def openai_messages(call_id: str, result: ToolResult) -> list[dict[str, Any]]:
    """A call's outcome as messages for the chat-completions API.

    Tool messages carry text only there, so pictures follow in a user message; when one assistant
    message made several calls, send all tool messages before the first user message.

    Args:
        call_id: ``id`` of the tool call that is answered.
        result: what the runner returned; a refusal or failure becomes its text.
    """
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": call_id, "content": result.message or "(no text)"}
    ]
    frames = result.evidence.frames if result.evidence else ()
    if frames:
        parts: list[dict[str, Any]] = []
        for number, frame in enumerate(frames, 1):
            data = base64.b64encode(encode_jpeg(frame.image)).decode()
            parts.append({"type": "text", "text": caption(frame, number, len(frames))})
            parts.append(
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
            )
        messages.append({"role": "user", "content": parts})
    return messages


def chat_content(result: ToolResult) -> list[dict[str, Any]]:
    """A call's outcome as content blocks for a processor's ``apply_chat_template``."""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": result.message}]
    frames = result.evidence.frames if result.evidence else ()
    for number, frame in enumerate(frames, 1):
        blocks.append({"type": "text", "text": caption(frame, number, len(frames))})
        blocks.append({"type": "image", "image": Image.fromarray(frame.image)})
    return blocks


def evidence_record(evidence: Evidence) -> dict[str, Any]:
    """Evidence as JSON without pixels; ``image_sha256`` is that of the JPEG ``encode_jpeg`` gives.

    Returns:
        ``text``, ``span`` (seconds and box, or None) and ``frames``, each with ``t_s``, ``pts``,
        ``box``, ``label``, ``intact``, ``width``, ``height`` and ``image_sha256``.
    """
    return {
        "text": evidence.text,
        "span": None if evidence.span is None else evidence.span.model_dump(mode="json"),
        "frames": [
            {
                "t_s": frame.t_s,
                "pts": frame.pts,
                "box": None if frame.box is None else list(frame.box),
                "label": frame.label,
                "intact": frame.intact,
                "width": frame.size[0],
                "height": frame.size[1],
                "image_sha256": hashlib.sha256(encode_jpeg(frame.image)).hexdigest(),
            }
            for frame in evidence.frames
        ],
    }
