"""From a teacher's last message to a validated answer.

Only what follows the thinking is read, and of that only the last complete JSON object, which
must end the message: an answer quoted while thinking can never become a patch (spec ffr §9 A3).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ffr.geometry import Box, Seconds
from ffr.patches.patch import ErrorType

__all__ = ["FinalAnswer", "FinalAnswerError", "after_thinking", "parse_final_answer"]

_MAX_CHARACTERS = 200_000
_MAX_OBJECT = 20_000
_END_OF_THINKING = re.compile(
    r"</(?:think|thinking|thought|reasoning|analysis)>|\[/THINK\]|<\|end_of_thought\|>"
    r"|<channel\|>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_START_OF_THINKING = re.compile(
    r"<(?:think|thinking|thought|reasoning|analysis)>|\[THINK\]|<\|begin_of_thought\|>"
    r"|<\|channel\|>analysis",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"\s*(?:```|~~~)?\s*(?:</answer>|<\|end_of_box\|>)?\s*(?:```)?\s*")
# Control tokens and tags of chat templates must not travel into a student prompt.
_MARKUP = re.compile(
    r"<\|[^|>]{0,60}\|?>"
    r"|</?(?:think|thinking|answer|image|video|tool_call|tool_response|im_start|im_end|s)\b[^>]*>"
    r"|\[/?INST\]|```",
    re.IGNORECASE,
)


class FinalAnswerError(ValueError):
    """The message is no valid final answer; the text tells the teacher why."""


def _plain(text: str) -> str:
    if _MARKUP.search(text):
        raise ValueError("markup and special tokens are not allowed in texts")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _short(text: str) -> str:
    if len(text.split()) > 24:
        raise ValueError("is too long; use at most 24 words")
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("is empty; say in a sentence where to look")
    return text


Guidance = Annotated[
    str, Field(max_length=1000), AfterValidator(_plain), AfterValidator(_not_empty)
]
Note = Annotated[str, Field(max_length=400), AfterValidator(_plain), AfterValidator(_short)]


class RegionAnswer(BaseModel):
    """A place on the frame on screen at ``t_s`` seconds; ``box`` is normalised."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    t_s: Seconds
    box: Box | None = None
    desc: Note = ""


class FinalAnswer(BaseModel):
    """What a teacher concludes; ``evidence`` holds ids of images it was shown.

    Unknown keys are ignored (they never reach a student); wrong types are refused.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    error_types: tuple[ErrorType, ...] = Field(min_length=1, max_length=3)
    guidance: Guidance
    key_times_s: tuple[Seconds, ...] = Field(max_length=8)
    temporal_markers: tuple[Note, ...] = Field(default=(), max_length=4)
    spatial_regions: tuple[RegionAnswer, ...] = Field(default=(), max_length=4)
    evidence: tuple[Annotated[str, Field(max_length=32)], ...] = Field(max_length=64)


def parse_final_answer(content: str) -> FinalAnswer:
    """Read a final answer.

    Raises:
        FinalAnswerError: no complete JSON object ends the message, it has NaN or infinite
            numbers, or it does not keep to the schema.
    """
    start, end, text = _last_object(_answer_text(content))
    if not _CLOSING.fullmatch(text, end):
        raise FinalAnswerError("something follows the JSON object; end the message with it")
    if end - start > _MAX_OBJECT:
        raise FinalAnswerError(f"the JSON object is longer than {_MAX_OBJECT} characters")
    try:
        return FinalAnswer.model_validate_json(text[start:end])
    except ValidationError as error:
        raise FinalAnswerError(_explain(error)) from error


def after_thinking(content: str) -> str:
    """What a reply says once its thinking is over; empty when it never ends."""
    ends = list(_END_OF_THINKING.finditer(content))
    text = content[ends[-1].end() :] if ends else content
    if opened := _START_OF_THINKING.search(text):
        text = text[: opened.start()]  # unfinished thinking: nothing after its start counts
    return text


def _answer_text(content: str) -> str:
    if len(content) > _MAX_CHARACTERS:
        raise FinalAnswerError(f"the message is longer than {_MAX_CHARACTERS} characters")
    text = after_thinking(content)
    if not text.strip():
        raise FinalAnswerError("there is no answer after the thinking")
    return text


def _last_object(text: str) -> tuple[int, int, str]:
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    found: tuple[int, int] | None = None
    position = text.find("{")
    tries = 0
    while position >= 0 and tries < 1000:
        tries += 1
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            if isinstance(error, FinalAnswerError):
                raise
            position = text.find("{", position + 1)
            continue
        found = (position, end)
        position = text.find("{", end)
    if found is None:
        raise FinalAnswerError("there is no complete JSON object")
    return (*found, text)


def _refuse_constant(name: str) -> NoReturn:
    raise FinalAnswerError(f"{name} is not allowed; give finite numbers")


def _explain(error: ValidationError) -> str:
    """The first three problems, with their place; never the offending values."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False)[:3]:
        place = ".".join(str(p) for p in problem["loc"]) or "the object"
        parts.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
