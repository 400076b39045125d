"""Questions of a file of any size, one at a time, bad rows named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ffr.data.bad_rows import BadRow, BadRows
from ffr.data.json_rows import read_json_rows
from ffr.data.question import Question
from ffr.data.question_rows import parse_question
from ffr.data.seen import SeenIds

__all__ = ["Tally", "stream_questions"]


class Tally:
    """Rows read so far, blank lines apart."""

    def __init__(self) -> None:
        self.rows = 0


def stream_questions(
    path: Path, bad: BadRows | None, tally: Tally | None = None
) -> Iterator[tuple[int, Question]]:
    """Lines and questions; of two rows with one id the second is bad.

    Args:
        path: JSONL with one ``Question`` a line.
        bad: gets the others; ``None`` passes them over, for a second pass.
        tally: counts the rows.

    Raises:
        UserError: the file cannot be read, or ``bad`` bears no more.
    """
    with SeenIds() as seen:
        for line, row in read_json_rows(path):
            if tally is not None:
                tally.rows += 1
            question = row if isinstance(row, BadRow) else parse_question(line, row)
            if isinstance(question, Question):
                before = seen.first_line(question.id, line)
                if before is None:
                    yield line, question
                    continue
                reason = f"this id stands already in line {before}"
                question = BadRow(line, question.id, reason, "duplicate_id")
            if bad is not None:
                bad.add(question)
