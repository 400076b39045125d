"""From a JSON object to a ``Question``, with everything that is wrong said in one line."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import ValidationError

from ffr.data.bad_rows import BadRow, RowError
from ffr.data.json_rows import clip_value
from ffr.data.question import Question
from student.prompt import control_token

__all__ = ["MAX_TEXT", "check_texts", "describe", "finite_problem", "parse_question"]

MAX_TEXT = 200_000
"""Longest text of a row, in characters."""

_TIMES = ("gold_spans", "events", "clip")


def parse_question(line: int, row: dict[str, Any]) -> Question | BadRow:
    """Check a row strictly: no value is converted, no unknown key is passed over."""
    identity = row.get("id")
    name = identity if isinstance(identity, str) else None
    try:
        # Through JSON: strict, yet lists become tuples.
        question = Question.model_validate_json(json.dumps(row), strict=True)
        check_texts(question)
    except ValidationError as error:
        reason, kind = describe(error)
        return BadRow(line, name, reason, kind)
    except RowError as error:
        return BadRow(line, name, str(error), error.kind)
    return question


def check_texts(question: Question) -> None:
    """Refuse texts that would be read as structure, and texts without measure.

    Raises:
        RowError: the first of them.
    """
    shown = (question.question, *question.options)
    for text in (*shown, question.answer, question.thinking, question.id, question.video):
        if len(text) > MAX_TEXT:
            raise RowError(
                f"a text of {len(text)} characters; at most {MAX_TEXT} are allowed, shorten it",
                "too_long",
            )
    for text in (*shown, question.thinking):
        if token := control_token(text):
            raise RowError(
                f"contains the control token {token!r}, which models read as structure; remove it",
                "control_token",
            )


def describe(error: ValidationError) -> tuple[str, str]:
    """The first problems of a row in one line, and the kind of the first."""
    problems = error.errors(include_url=False)[:3]
    reason = "; ".join(
        _reason(".".join(map(str, e["loc"])), e["type"], e["msg"], e["input"]) for e in problems
    )
    first = problems[0]
    place = str(first["loc"][0]) if first["loc"] else ""
    if place in ("answer", "options"):
        return reason, place
    if place in _TIMES:
        return reason, "times"
    if first["type"] == "value_error":
        if ": answer=" in first["msg"]:
            return reason, "answer"
        if "options" in first["msg"]:
            return reason, "options"
    return reason, "schema"


def finite_problem(value: object) -> str | None:
    """Why a value from a typed file (Parquet, datasets) is not plain JSON, or ``None``."""
    if value is None or isinstance(value, str | bool | int):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not allowed; give a finite number"
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return next((found for item in value if (found := finite_problem(item))), None)
    return f"a value of type {type(value).__name__}; give text, numbers and lists"


def _reason(place: str, kind: str, message: str, value: Any) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "missing":
        return f"{place} is missing; every row needs it"
    if kind == "extra_forbidden":
        known = ", ".join(Question.model_fields)
        return f"unknown key {place!r}; known are {known}"
    if not place:
        return f"{message[:1].lower()}{message[1:]}"
    return f"{place}={clip_value(value)}: {message[:1].lower()}{message[1:]}"
