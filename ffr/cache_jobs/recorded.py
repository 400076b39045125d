"""Failures somebody recorded: the rollouts of a run, or a file of answers.

A file may hold group records, evaluation rows, or plain ``{"id", "answer" | "response"}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.cache_jobs.collect import Collection
from ffr.data.load import BadRow, read_json_rows
from ffr.errors import UserError
from ffr.repair.record import GroupRecord
from ffr.run.records import RolloutLog

__all__ = ["collect_recorded"]


def collect_recorded(path: Path, into: Collection) -> None:
    """Read failures from ``path`` and add them to ``into``; bad lines are counted, not raised.

    Args:
        path: a run folder, a folder of ``step_NNNNNN.jsonl``, or a JSONL file.
        into: knows the questions and judges the answers.

    Raises:
        UserError: nothing is there, or none of what is there belongs to a known question.
    """
    before, unknown = _seen(into), into.counts["unknown_question"]
    if path.is_dir():
        _read_folder(path, into)
    else:
        _read_file(path, into)
    strangers = into.counts["unknown_question"] - unknown
    if strangers and _seen(into) == before:
        raise UserError(
            f"failures.recorded: all {strangers} answers in {path} are about questions that are "
            "not in data; give the question file they belong to (failures.splits chooses it)"
        )


def _seen(into: Collection) -> int:
    return into.counts["failures"] + into.counts["right"] + into.counts["empty_response"]


def _read_folder(path: Path, into: Collection) -> None:
    folder = path / "rollouts" if (path / "rollouts").is_dir() else path
    log = RolloutLog(folder)
    steps = log.steps()
    if not steps:
        raise UserError(
            f"failures.recorded: {path} holds no rollouts/step_NNNNNN.jsonl; give a run folder of "
            "ffr-train or a JSONL file of answers"
        )
    for step in steps:
        found = log.read(step)
        place = log.path(step).name
        for _ in range(found.bad_lines):
            into.leave_out("unreadable_line", place)
        for record in found.records:
            _add_group(record, place, into)


def _read_file(path: Path, into: Collection) -> None:
    for line, row in read_json_rows(path):
        place = f"{path.name}, line {line}"
        if isinstance(row, BadRow):
            into.leave_out("unreadable_line", f"{place}: {row.reason}")
        elif "outcomes" in row:
            try:
                _add_group(GroupRecord.model_validate(row), place, into)
            except ValidationError as error:
                into.leave_out("unreadable_line", f"{place}: {error.errors()[0]['msg']}")
        else:
            _add_row(row, place, into)


def _add_group(record: GroupRecord, place: str, into: Collection) -> None:
    for outcome in record.outcomes:
        into.add_response(record.question_id, outcome.first.text, place)


def _add_row(row: dict[str, Any], place: str, into: Collection) -> None:
    identity = row.get("id", row.get("question_id"))
    response, answer = row.get("response"), row.get("answer")
    if not isinstance(identity, str):
        into.leave_out("unreadable_line", f"{place}: no text under 'id' or 'question_id'")
    elif isinstance(response, str):
        into.add_response(identity, response, place)
    elif isinstance(answer, str):
        into.add_answer(identity, answer, place)
    elif "skipped" in row:  # an evaluation row of a question that was not answered
        into.leave_out("empty_response", place)
    else:
        into.leave_out("unreadable_line", f"{place}: no text under 'answer' or 'response'")
