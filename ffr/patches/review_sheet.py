"""Review sheets: patches as rows for people, and the marks they come back with.

Sheets are CSV for spreadsheets, or JSON lines.  Only ``key``, ``patch_id``, ``verdict``, ``by`` and
``why`` are read back; everything else is there to be looked at.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffr.data.question import Question
from ffr.patches.files import StoreError, write_atomic
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis
from ffr.patches.review import CorruptReviewError, Mark, Verdict
from ffr.patches.store import PatchStore

__all__ = [
    "COLUMNS", "ReviewReport", "SheetRow", "apply_sheet", "read_sheet", "sheet_row", "write_sheet",
]  # fmt: skip

COLUMNS = (
    "verdict", "why", "by", "question_id", "question", "options", "answer", "guidance",
    "error_types", "key_times_s", "temporal_markers", "regions", "frames", "tools", "leak_rules",
    "teacher", "key", "patch_id",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_Key = Field(pattern=r"^[0-9a-f]{64}$")
_WORDS = {"accept": "accept", "accepted": "accept", "reject": "reject", "rejected": "reject",
          "clear": "clear", "": ""}  # fmt: skip


class SheetRow(BaseModel):
    """What is read back of a row; ``verdict`` "" leaves the patch as it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str = _Key
    patch_id: str = _Key
    verdict: Literal["accept", "reject", "clear", ""] = ""
    by: str = Field("", max_length=120)
    why: str = Field("", max_length=1000)


@dataclass
class ReviewReport:
    """What applying a sheet did.

    Attributes:
        marked: new marks by verdict.
        unchanged: rows that say what is already in force.
        blank: rows without a verdict.
        stale: rows about a patch the store does not hold (any more); nothing was done for them.
    """

    marked: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    blank: int = 0
    stale: list[str] = field(default_factory=list)


def sheet_row(
    key: str,
    record: StoredDiagnosis,
    patch: EvidencePatch,
    *,
    mark: Mark | None,
    question: Question | None,
    rules: Sequence[str] = (),
    answer: bool = False,
) -> dict[str, str]:
    """A patch as a row of texts, by column.

    Args:
        key: request key.
        record: of the patch.
        patch: its patch.
        mark: the mark in force.
        question: whom it was made for, if known.
        rules: of the leak gate that it breaks.
        answer: also write the gold answer.
    """
    return {
        "verdict": mark.verdict if mark else "",
        "why": mark.why if mark else "",
        "by": mark.by if mark else "",
        "question_id": record.question_id,
        "question": question.question if question else "",
        "options": "; ".join(question.options) if question else "",
        "answer": question.answer_text if question and answer else "",
        "guidance": patch.guidance,
        "error_types": ", ".join(patch.error_types),
        "key_times_s": ", ".join(f"{t:g}" for t in patch.key_times_s),
        "temporal_markers": "; ".join(patch.temporal_markers),
        "regions": "; ".join(_place(r.t_s, r.box, r.desc) for r in patch.spatial_regions),
        "frames": "; ".join(_place(f.t_s, f.box, f.label) for f in patch.frames),
        "tools": ", ".join(f"{name} {calls}" for name, calls, _ in record.tool_calls),
        "leak_rules": ", ".join(rules),
        "teacher": record.teacher_model,
        "key": key,
        "patch_id": patch.patch_id,
    }


def write_sheet(path: Path, rows: Iterable[Mapping[str, str]]) -> int:
    """Write a sheet; ``.csv`` by its name, anything else as JSON lines.  Returns the rows.

    In CSV a text that a spreadsheet would run as a formula gets an apostrophe before it.

    Raises:
        StoreError: the file cannot be written.
    """
    found = list(rows)
    if path.suffix.lower() == ".csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _no_formula(text) for name, text in row.items()} for row in found)
        data = "\ufeff" + out.getvalue()  # spreadsheets take the mark as: this is UTF-8
    else:
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    write_atomic(path, data.encode("utf-8", "replace"))
    return len(found)


def read_sheet(path: Path) -> list[SheetRow]:
    """The rows of a sheet.

    Raises:
        StoreError: the file cannot be read, or a row is wrong; naming its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StoreError.from_os_error("read", path, error) from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is not UTF-8 text; save the sheet as CSV with UTF-8") from error
    rows = []
    for line, raw in _raw_rows(path, text):
        verdict = str(raw.get("verdict") or "").strip().lower()
        if verdict not in _WORDS:
            raise StoreError(
                f"{path} line {line}: verdict={verdict[:40]!r} is not allowed; write accept, "
                "reject or clear, or leave it empty"
            )
        try:
            rows.append(SheetRow.model_validate({**raw, "verdict": _WORDS[verdict]}))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise StoreError(f"{path} line {line}: {where}: {first['msg']}") from error
    return rows


def apply_sheet(
    store: PatchStore, rows: Sequence[SheetRow], *, by: str = "", dry_run: bool = False
) -> ReviewReport:
    """Write the marks of a sheet; every row is checked before the first is written.

    Args:
        store: whose patches the rows are about.
        rows: from ``read_sheet``.
        by: who decided, for rows that do not say.
        dry_run: only report.

    Raises:
        StoreError: a row decides something and nobody is named, two rows contradict each other,
            or the store cannot be read or written.
    """
    report = ReviewReport()
    wanted: dict[tuple[str, str], Mark] = {}
    for row in rows:
        if not row.verdict:
            report.blank += 1
            continue
        who = row.by.strip() or by.strip()
        if not who:
            raise StoreError(f"request {row.key}: nobody is named; fill in the column by, or --by")
        mark = Mark(patch_id=row.patch_id, verdict=row.verdict, by=who, why=row.why)
        before = wanted.setdefault((row.key, row.patch_id), mark)
        if before.verdict != mark.verdict:
            raise StoreError(
                f"request {row.key} is marked {before.verdict} and {mark.verdict} in one sheet; "
                "leave one of the rows"
            )
    todo = []
    for (key, patch_id), mark in wanted.items():
        record = store.stored(key)
        if record is None or record.patch is None or record.patch.patch_id != patch_id:
            report.stale.append(key)
        elif _in_force(store, key, mark):
            report.unchanged += 1
        else:
            report.marked[mark.verdict] += 1
            todo.append((key, mark))
    for key, mark in () if dry_run else todo:
        store.reviews.add(key, mark)
    return report


def _in_force(store: PatchStore, key: str, mark: Mark) -> bool:
    try:
        now = store.reviews.verdict(key, mark.patch_id)
    except CorruptReviewError:
        return False
    verdict: Verdict = now.verdict if now else "clear"
    return verdict == mark.verdict and (now is None or now.why == mark.why)


def _raw_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        lacking = {"key", "patch_id", "verdict"} - set(reader.fieldnames or ())
        if lacking:
            raise StoreError(
                f"{path} has no column {', '.join(sorted(lacking))}; give a sheet made by "
                "`ffr cache review export`"
            )
        for row in reader:
            yield reader.line_num, {
                name: _formula_again(value) for name, value in row.items() if isinstance(value, str)
            }
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise StoreError(f"{path} line {number} is not JSON: {error}") from error
            if not isinstance(value, dict):
                raise StoreError(f"{path} line {number} is no JSON object")
            yield number, value


def _place(t_s: float, box: Sequence[float] | None, text: str) -> str:
    where = "" if box is None else " [" + ", ".join(f"{v:.2f}" for v in box) + "]"
    return f"{t_s:g} s{where} {text}".rstrip()


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _formula_again(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
