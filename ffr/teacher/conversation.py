"""The messages of one diagnosis and the images shown in them, by id.

Wire form: every image is preceded by a text block ``[image img_K] frame at T.TTT s`` (or
``crop x0,y0,x1,y1 at T.TTT s``), K counting over the whole conversation.  Tool results are JSON
texts; their images follow in one user message, because providers take none in tool messages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ffr.teacher.chat import ChatReply
from ffr.teacher.pictures import FirstView, Picture
from ffr.teacher.prompts import FINAL_REQUEST, view_text
from ffr.teacher.untrusted import defuse

__all__ = ["Conversation"]


class Conversation:
    """Starts with the system message and one user message: first view, then the task.

    The task comes last, so that the diagnoses of one question share a long prefix.

    Args:
        system: the system message.
        view: the first view.
        task: the task text.
        final: ask for the final answer at once.
    """

    def __init__(self, system: str, view: FirstView, task: str, *, final: bool) -> None:
        self.images: dict[str, Picture] = {}
        blocks = [_text(view_text(len(view.pictures))), *self._show(view.pictures)[0], _text(task)]
        if final:
            blocks.append(_text(FINAL_REQUEST))
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": system},
            {"role": "user", "content": blocks},
        ]

    def add_tool_calls(self, reply: ChatReply) -> None:
        """The model's message with its tool calls."""
        self.messages.append(
            {
                "role": "assistant",
                "content": reply.content or None,
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments},
                    }
                    for call in reply.tool_requests
                ],
            }
        )

    def add_results(
        self, results: Sequence[tuple[str, bool, str, Sequence[Picture]]], *, final: bool
    ) -> None:
        """Answers to tool calls, then their images, then (``final``) the final request.

        Args:
            results: call id, whether it worked, text for the teacher, images.
            final: no further calls are possible.
        """
        shown: list[dict[str, Any]] = []
        for call_id, ok, text, pictures in results:
            blocks, ids = self._show(pictures)
            shown += blocks
            text = defuse(text)
            body = {"ok": True, "text": text, "images": ids} if ok else {"ok": False, "error": text}
            content = json.dumps(body, ensure_ascii=False)
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
        if final:
            shown.append(_text(FINAL_REQUEST))
        if shown:
            self.messages.append({"role": "user", "content": shown})

    def add_refused(self, reply: ChatReply, request: str) -> None:
        """The model's refused answer, and what is asked of it now."""
        self.messages.append({"role": "assistant", "content": reply.content or "(no answer)"})
        self.messages.append({"role": "user", "content": [_text(request)]})

    def _show(self, pictures: Sequence[Picture]) -> tuple[list[dict[str, Any]], list[str]]:
        blocks: list[dict[str, Any]] = []
        ids = []
        for picture in pictures:
            name = f"img_{len(self.images)}"
            self.images[name] = picture
            ids.append(name)
            blocks.append(_text(f"[image {name}] {picture.label}"))
            blocks.append({"type": "image_url", "image_url": {"url": picture.url}})
        return blocks, ids


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
