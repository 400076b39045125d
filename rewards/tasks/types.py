"""Problem types of Video-R1's records, and what to do when a row declares none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ffr.data.question import AnswerType
from ffr.errors import UserError
from student.parse import parse_number

__all__ = ["PROBLEM_TYPES", "answer_type", "inferred_type"]

PROBLEM_TYPES: Mapping[str, AnswerType] = {
    "multiple choice": "choice",
    "numerical": "number",
    "ocr": "ocr",
    "free-form": "free_form",
    "regression": "regression",
}
"""Video-R1's names, in lower case (spec video_r2 §7.1)."""


def answer_type(problem_type: str) -> AnswerType:
    """The answer type of a declared problem type, whatever its case.

    Raises:
        UserError: the type is unknown.
    """
    found = PROBLEM_TYPES.get(problem_type.strip().lower())
    if found is None:
        raise UserError(
            f"problem_type={problem_type!r} is unknown; known are {', '.join(PROBLEM_TYPES)}"
        )
    return found


def inferred_type(gold: str, options: Sequence[str] = ()) -> AnswerType:
    """The type of a row that declares none (errata ruling 11): options, else number, else text."""
    if options:
        return "choice"
    return "number" if parse_number(gold) is not None else "text"
