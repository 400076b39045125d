"""A line of a case file: what the gate judges, and for labelled sets what it should find."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ffr.data.load import BadRow, read_json_rows
from ffr.data.question import AnswerType, Question
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch

__all__ = ["HARMLESS", "LeakCase", "read_cases"]

HARMLESS = "harmless"
"""The ``kind`` of a labelled patch that gives nothing away; every other kind is a leak."""


class LeakCase(BaseModel):
    """A question, one wrong response, and the patch written for it.

    Attributes:
        kind: label of a labelled set (``direct``, ``partial``, ``harmless``); the gate ignores it.
        form: a finer label, for reports.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: str | None = None
    form: str = ""
    question: str
    options: tuple[str, ...] | None = None
    answer: str
    answer_type: AnswerType
    student_response: str = ""
    patch: EvidencePatch

    def as_question(self) -> Question:
        """The question; the gate does not look at the video."""
        return Question(
            id=self.id,
            video="-",
            question=self.question,
            options=self.options or (),
            answer=self.answer,
            answer_type=self.answer_type,
        )


def read_cases(path: Path) -> Iterator[LeakCase]:
    """The cases of a JSONL file, in order.

    Raises:
        UserError: the file cannot be read, holds no case, or a line is no case; the message names
            the line and what is wrong.
    """
    empty = True
    for line, row in read_json_rows(path):
        empty = False
        yield _case(path, line, row)
    if empty:
        raise UserError(f"{path} holds no case; give one JSON object a line")


def _case(path: Path, line: int, row: dict[str, Any] | BadRow) -> LeakCase:
    if isinstance(row, BadRow):
        raise UserError(f"{path}, {row}")
    try:
        case = LeakCase.model_validate_json(json.dumps(row))
        case.as_question()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{path}, line {line}: {f'{place}: ' if place else ''}{message}; the "
            "format is described in docs/guide/leaks.md"
        ) from error
    return case
