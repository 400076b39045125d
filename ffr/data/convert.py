"""Convert published records to our rows, one at a time, whatever the size of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ffr.data.bad_rows import BadRow, BadRows, RowError, RowPolicy
from ffr.data.digest import DatasetDigest
from ffr.data.formats.made import Format, LeftOutError, Made
from ffr.data.formats.video_r1 import VideoR1
from ffr.data.output import writing_lines
from ffr.data.question import Question
from ffr.data.question_rows import check_texts, describe
from ffr.data.seen import SeenIds
from ffr.data.sft_record import SftRecord
from ffr.data.sources import Source
from ffr.errors import UserError

__all__ = ["Converted", "convert_rows", "convert_video_r1"]

Output = Literal["questions", "sft"]
_EVERY = 1000


@dataclass(frozen=True)
class Converted:
    """What a conversion did.

    Attributes:
        read: records in the source.
        written: rows in the target.
        left_out: records left out on purpose, by reason.
        notes: what was not carried over from records that were converted, by kind.
        bad: the first records of each kind that did not fit.
        bad_report: all of them, counted by kind.
        sha256: content hash of the written questions (``ffr.data.digest``).
    """

    read: int
    written: int
    left_out: Mapping[str, int]
    notes: Mapping[str, int]
    bad: tuple[BadRow, ...]
    bad_report: Mapping[str, object]
    sha256: str


def convert_rows(
    source: Source,
    target: Path,
    form: Format,
    *,
    policy: RowPolicy = RowPolicy(),  # noqa: B008 - frozen
    output: Output = "questions",
    progress: Callable[[int], None] = lambda _done: None,
) -> Converted:
    """Write ``source`` as rows to ``target``, in order; memory does not grow with the rows.

    Bad rows are recorded in ``<target>.bad.jsonl``.

    Args:
        source: where records come from.
        target: written whole or not at all; an existing file is replaced.
        form: what the records look like.
        policy: what to do with records that do not fit.
        output: ``questions``, or ``sft``: records with the response to learn, made of the
            rationale and the gold answer.
        progress: told the number of records read, now and then.

    Raises:
        UserError: ``source`` cannot be read, no record fits, or more do not fit than ``policy``
            bears.
    """
    counts = Counter[str]()
    left_out = Counter[str]()
    notes = Counter[str]()
    digest = DatasetDigest()
    record_of_bad = target.with_name(f"{target.name}.bad.jsonl")
    with (
        BadRows(source.name, policy, record_of_bad) as bad,
        SeenIds() as seen,
        writing_lines(target) as write,
    ):
        for line, record in source.rows(form.columns):
            counts["read"] += 1
            if counts["read"] % _EVERY == 0:
                progress(counts["read"])
            try:
                made = _make(form, line, record, seen)
                if isinstance(made, BadRow):
                    bad.add(made)
                    continue
                row = _sft(made.question) if output == "sft" else made.question
            except LeftOutError as reason:
                left_out[str(reason)] += 1
                continue
            except RowError as error:
                assert isinstance(record, dict)
                bad.add(BadRow(line, form.identity(record), str(error), error.kind))
                continue
            write(row.model_dump_json(exclude_defaults=True))
            digest.add(made.question)
            notes.update(made.notes)
            counts["written"] += 1
        bad.settle(counts["read"])
        if not counts["written"]:
            reasons = "".join(f"; {n} left out: {why}" for why, n in left_out.items())
            first = next(bad.first(), None)
            raise UserError(
                f"{source.name} holds no video question{reasons}"
                f"{f'; first bad row: {first}' if first else ''}; is --format the right one?"
            )
        first_bad, report = tuple(bad.first()), bad.report()
    return Converted(
        counts["read"], counts["written"], dict(left_out), dict(notes), first_bad, report,
        digest.hexdigest(),
    )  # fmt: skip


def convert_video_r1(
    source: Path, target: Path, *, strip_prefix: str = "", fail: bool = True
) -> Converted:
    """``convert_rows`` for Video-R1's format; with ``fail`` a bad record is an error."""
    policy = RowPolicy("fail" if fail else "skip")
    return convert_rows(Source(str(source)), target, VideoR1(strip_prefix), policy=policy)


def _make(form: Format, line: int, record: dict[str, Any] | BadRow, seen: SeenIds) -> Made | BadRow:
    if isinstance(record, BadRow):
        return record
    try:
        made = form.convert(record, line)
    except ValidationError as error:
        reason, kind = describe(error)
        return BadRow(line, form.identity(record), reason, kind)
    check_texts(made.question)
    before = seen.first_line(made.question.id, line)
    if before is not None:
        reason = f"this id stands already in line {before}; give each row an id of its own"
        return BadRow(line, made.question.id, reason, "duplicate_id")
    return made


def _sft(question: Question) -> SftRecord:
    """The record of a question with a rationale.

    Raises:
        RowError: it has none.
    """
    if not question.thinking:
        raise RowError("there is no rationale to learn; convert with --to questions")
    response = f"<think>{question.thinking}</think>\n<answer>{question.answer}</answer>"
    return SftRecord(question=question.model_copy(update={"thinking": ""}), response=response)
