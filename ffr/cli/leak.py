"""``ffr leak``: audit evidence patches for leaked answers, without any model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from ffr.cli.shared import AsJson
from ffr.data.load import BadRow, read_json_rows
from ffr.data.question import AnswerType, Question
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch
from ffr.teacher.leakage import RULES, check_patch

__all__ = ["LeakCase", "app"]

app = typer.Typer(no_args_is_help=True, help="Check evidence patches for leaked answers.")


class LeakCase(BaseModel):
    """A line of a case file: a question, one wrong response, and the patch written for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
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


@app.callback()
def _group() -> None:
    """Check evidence patches for leaked answers."""


@app.command("check")
def check(
    cases: Annotated[
        Path,
        typer.Argument(
            help="JSONL: {id, question, options, answer, answer_type, student_response, patch}."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Tell for each case whether its patch passes, and which rules refuse it."""
    total = refused = 0
    for line, row in read_json_rows(cases):
        case = _case(cases, line, row)
        verdict = check_patch(case.as_question(), case.patch, case.student_response)
        total += 1
        refused += not verdict.passed
        if as_json:
            found = {"id": case.id, "passed": verdict.passed, "rules": list(verdict.rules)}
            print(json.dumps(found, ensure_ascii=False))
        elif not verdict.passed:
            print(f"{case.id}: " + "; ".join(f"{rule} ({RULES[rule]})" for rule in verdict.rules))
    if not total:
        raise UserError(f"{cases} holds no case; give one JSON object a line")
    if not as_json:
        print(f"{total} patches: {total - refused} pass, {refused} refused")


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
            "format is described in docs/guide/commands.md"
        ) from error
    return case
