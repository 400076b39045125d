"""OpenAI's chat messages: a prompt on the way out, a completion on the way in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from ffr.elect.answer_span import span_in_pieces
from ffr.elect.candidate import RawCandidate
from ffr.elect.prompts import frame_caption
from student.prompt import format_time
from student.prompt_parts import ImagePart, Part, StudentPrompt, TextPart
from teacher_tools.encode import encode_jpeg

__all__ = ["chat_messages", "image_block", "read_completion"]


def chat_messages(
    prompt: StudentPrompt, *, numbered: bool, base: int = 1
) -> list[dict[str, Any]]:
    """Messages with every frame as a JPEG image behind its caption.

    Args:
        prompt: videos become their frames.
        numbered: captions are ``Frame 3 (4.7 s)`` instead of ``4.7 s``.
        base: number of the first frame.
    """
    return [
        {"role": "system", "content": "\n".join(
            part.text for part in m.parts if isinstance(part, TextPart))}
        if m.role == "system"  # as text: some servers' templates take nothing else
        else {"role": m.role, "content": [block for part in m.parts for block in _blocks(
            part, numbered=numbered, base=base)]}
        for m in prompt.messages
    ]  # fmt: skip


def image_block(jpeg: bytes) -> dict[str, Any]:
    """A content block with a JPEG as data URL."""
    url = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
    return {"type": "image_url", "image_url": {"url": url}}


def read_completion(completion: Any) -> RawCandidate:
    """The first choice of a chat completion, which may be anything.

    Raises:
        TypeError, AttributeError, LookupError: it is no chat completion.
    """
    choice = completion.choices[0]
    content = choice.message.content
    if content is None:
        content = ""
    if not isinstance(content, str):
        raise TypeError("content is no text")
    if not content.strip() and isinstance(refusal := getattr(choice.message, "refusal", None), str):
        content = refusal
    usage = completion.usage
    answer, whole = _log_probs(choice)
    return RawCandidate(
        text=content,
        truncated=choice.finish_reason == "length",
        answer_log_probs=answer,
        log_probs=whole,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _blocks(part: Part, *, numbered: bool, base: int) -> Sequence[dict[str, Any]]:
    if isinstance(part, TextPart):
        return [{"type": "text", "text": part.text}]
    if isinstance(part, ImagePart):
        return [image_block(encode_jpeg(part.image))]
    blocks: list[dict[str, Any]] = []
    for i, (frame, t_s) in enumerate(zip(part.frames, part.axis.times_s, strict=True)):
        caption = frame_caption(i + base, t_s) if numbered else format_time(t_s)
        blocks += [{"type": "text", "text": f"{caption}:"}, image_block(encode_jpeg(frame))]
    return blocks


def _count(usage: Any, name: str) -> int:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) and value > 0 else 0


def _log_probs(choice: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of the answer's tokens and of all; empty when the endpoint gives none, or none that fit."""
    entries = getattr(getattr(choice, "logprobs", None), "content", None) or ()
    pieces = [getattr(entry, "token", None) for entry in entries]
    values = [getattr(entry, "logprob", None) for entry in entries]
    if not all(isinstance(p, str) for p in pieces) or not all(
        isinstance(v, int | float) for v in values
    ):
        return (), ()
    whole = tuple(float(value or 0.0) for value in values)
    return tuple(whole[i] for i in span_in_pieces([str(p) for p in pieces])), whole
