"""Questions of several files by their ids, for those who know a question's id only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.errors import UserError

__all__ = ["questions_by_id"]


def questions_by_id(files: Iterable[Path]) -> dict[str, Question]:
    """Questions with gold answers by id; media are not looked at.

    Raises:
        UserError: a file cannot be read, or two files have different questions of one id.
    """
    found: dict[str, Question] = {}
    for path in files:
        for question in load_questions(path, check_media=False).questions:
            before = found.setdefault(question.id, question)
            if (before.question, before.answer) != (question.question, question.answer):
                raise UserError(
                    f"question id={question.id!r} of {path} differs from that of another file; "
                    "give only the files this store was made from"
                )
    return found
