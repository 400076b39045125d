"""Reads a chat-completions conversation the way a teacher model would: text, images, tool results.

The student's answer inside the task is untrusted text.  It can never move the question or
the labels of images, because the first ``Question:`` line counts and a label only counts
as the last line right before its image.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ffr.demo.vocabulary import asked_time_s
from ffr.geometry import RawBox

__all__ = ["FINAL_REQUEST", "Conversation", "PastCall", "SeenImage", "Task", "read_conversation"]

FINAL_REQUEST = "Give your final answer now."
"""What a client says when no tool rounds are left."""

_NUMBER = r"\d+(?:\.\d+)?"
_LABEL = re.compile(
    rf"\[image (?P<id>img_\d+)\] (?:frame|crop (?P<box>{_NUMBER}(?:, ?{_NUMBER}){{3}}))"
    rf" at (?P<t>{_NUMBER}) s"
)
_QUESTION = re.compile(
    r"^Question:[ \t]*(?P<text>.*?)"
    r"(?=^(?:Options|Student response|Video duration|Reference answer):|\Z)",
    re.MULTILINE | re.DOTALL,
)
_STUDENT = re.compile(r"^Student response:", re.MULTILINE)
_DURATION = re.compile(rf"^Video duration:[ \t]*({_NUMBER}) s\b", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """What was asked.

    Attributes:
        question: the stem as written.
        asked_s: the time in seconds the question names, if it does.
        duration_s: length of the video in seconds, if it was told.
    """

    question: str
    asked_s: float | None
    duration_s: float | None


@dataclass(frozen=True)
class SeenImage:
    """One labelled image: ``box`` is set for a crop, ``tool`` names the tool that returned it."""

    id: str
    t_s: float
    box: RawBox | None
    url: str
    tool: str | None


@dataclass(frozen=True)
class PastCall:
    """A tool call made earlier; ``ok`` is ``None`` while it has no answer yet."""

    name: str
    arguments: Mapping[str, Any]
    ok: bool | None
    images: tuple[str, ...]


@dataclass(frozen=True)
class Conversation:
    """Everything the observer knows.

    Attributes:
        rounds: assistant turns with tool calls so far.
        final_requested: the last user turn asks for the answer.
        answered: an answer was given before, so it was refused.
    """

    task: Task
    images: tuple[SeenImage, ...]
    calls: tuple[PastCall, ...]
    rounds: int
    final_requested: bool
    answered: bool


def read_conversation(messages: Sequence[Mapping[str, Any]]) -> Conversation:
    """Digest validated chat messages (see ``ffr.demo.server_wire``)."""
    answers = dict(_tool_answers(messages))
    calls = tuple(_past_calls(messages, answers))
    source = {image: call.name for call in calls for image in call.images}
    images: dict[str, SeenImage] = {}
    task: Task | None = None
    final_requested = False
    for message in messages:
        if message["role"] != "user":
            continue
        text = "\n".join(_texts(message))
        # The student's words may end the task's turn, so that one cannot ask for the answer.
        final_requested = task is not None and text.rstrip().endswith(FINAL_REQUEST)
        task = task or _read_task(text)
        for image in _labelled_images(message, source):
            images.setdefault(image.id, image)
    return Conversation(
        task=task or Task(question="", asked_s=None, duration_s=None),
        images=tuple(images.values()),
        calls=calls,
        rounds=sum(1 for m in messages if m["role"] == "assistant" and m.get("tool_calls")),
        final_requested=final_requested,
        answered=any(m["role"] == "assistant" and not m.get("tool_calls") for m in messages),
    )


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if block["type"] == "text"]


def _read_task(text: str) -> Task | None:
    question = _QUESTION.search(text)
    if question is None:
        return None
    stem = question["text"].strip()
    student = _STUDENT.search(text)
    before = text if student is None else text[: student.start()]
    # Outside the student's words if possible; a line after them can only be the last one.
    durations = _DURATION.findall(before) or _DURATION.findall(text)[-1:]
    duration = float(durations[0]) if durations else 0.0
    asked_s = asked_time_s(stem)
    return Task(
        question=stem,
        asked_s=asked_s if asked_s is not None and math.isfinite(asked_s) else None,
        duration_s=duration if math.isfinite(duration) and duration > 0 else None,
    )


def _labelled_images(
    message: Mapping[str, Any], source: Mapping[str, str]
) -> Iterator[SeenImage]:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    for before, block in pairwise(content):
        if block["type"] != "image_url" or before["type"] != "text":
            continue
        lines = before["text"].strip().splitlines()
        label = _LABEL.fullmatch(lines[-1].strip()) if lines else None
        if label is None:
            continue
        box: RawBox | None = None
        if label["box"]:
            x0, y0, x1, y1 = (float(part) for part in label["box"].split(","))
            box = (x0, y0, x1, y1)
        yield SeenImage(
            id=label["id"],
            t_s=float(label["t"]),
            box=box,
            url=block["image_url"]["url"],
            tool=source.get(label["id"]),
        )


def _tool_answers(
    messages: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, tuple[bool, tuple[str, ...]]]]:
    for message in messages:
        if message["role"] != "tool":
            continue
        try:
            answer = json.loads("\n".join(_texts(message)))
        except (ValueError, RecursionError):
            answer = None
        ok, listed = False, None
        if isinstance(answer, dict):
            ok, listed = answer.get("ok") is True, answer.get("images")
        images = listed if isinstance(listed, list) else []
        yield message["tool_call_id"], (ok, tuple(i for i in images if isinstance(i, str)))


def _past_calls(
    messages: Sequence[Mapping[str, Any]],
    answers: Mapping[str, tuple[bool, tuple[str, ...]]],
) -> Iterator[PastCall]:
    for message in messages:
        if message["role"] != "assistant":
            continue
        for call in message.get("tool_calls") or ():
            try:
                arguments = json.loads(call["function"]["arguments"])
            except (ValueError, RecursionError):
                arguments = {}
            ok, images = answers.get(call["id"], (None, ()))
            yield PastCall(
                name=call["function"]["name"],
                arguments=arguments if isinstance(arguments, dict) else {},
                ok=ok,
                images=images,
            )
