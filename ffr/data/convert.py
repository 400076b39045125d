"""Convert other projects' records to question rows.

Video-R1's format (also used by Video-Thinker and the official FFR release): ``problem_id``,
``path``, ``data_type``, ``problem_type``, ``problem``, ``options`` ("A. text"), ``solution``
(inside answer tags); spec ffr §7.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.data.load import BadRow, read_json_rows
from ffr.data.question import Question, option_letters
from ffr.errors import UserError
from ffr.patches.files import write_atomic

__all__ = ["Converted", "convert_video_r1"]

_TYPES = {
    "multiple choice": "choice",
    "numerical": "number",
    "ocr": "ocr",
    "free-form": "free_form",
    "regression": "regression",
}
_OPTION = re.compile(r"^\s*\(?([A-Za-z])[.):]\s*(.*)$", re.DOTALL)
_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)


@dataclass(frozen=True)
class Converted:
    """What a conversion did: rows written, rows left out on purpose, rows that did not fit."""

    written: int
    left_out: Mapping[str, int]
    bad: tuple[BadRow, ...]


def convert_video_r1(
    source: Path, target: Path, *, strip_prefix: str = "", fail: bool = True
) -> Converted:
    """Write ``source`` as question rows to ``target``; rows about images are left out, counted.

    Args:
        source: a JSON list, or JSONL.
        target: written whole or not at all; an existing file is replaced.
        strip_prefix: beginning of each path to cut off.
        fail: raise when a row does not fit instead of leaving it out.

    Raises:
        UserError: ``source`` cannot be read, no row fits, or (with ``fail``) one does not.
    """
    rows: list[str] = []
    bad: list[BadRow] = []
    left_out: Counter[str] = Counter()
    for line, record in _records(source):
        if isinstance(record, BadRow):
            bad.append(record)
        elif record.get("data_type", "video") != "video":
            left_out[f"data_type is {record['data_type']}"] += 1
        else:
            try:
                rows.append(_question(record, strip_prefix).model_dump_json(exclude_defaults=True))
            except (ValidationError, ValueError) as error:
                name = record.get("problem_id")
                bad.append(BadRow(line, None if name is None else str(name), _line(error)))
    if bad and fail:
        raise UserError(
            f"{source}: {len(bad)} rows do not fit, first {bad[0]}; mend them, or leave them out "
            "with --on-bad-row skip"
        )
    if not rows:
        raise UserError(f"{source} holds no video question; give records in Video-R1's format")
    write_atomic(target, "".join(row + "\n" for row in rows).encode())
    return Converted(len(rows), dict(left_out), tuple(bad))


def _records(source: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Records with their line (JSONL) or place in the list (JSON), from 1."""
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {source}: {error}; give a UTF-8 file") from error
    if not text.lstrip().startswith("["):
        yield from read_json_rows(source)
        return
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is not valid JSON: {error}") from error
    for place, record in enumerate(records, start=1):
        kind = type(record).__name__
        yield place, record if isinstance(record, dict) else BadRow(place, None, f"is a {kind}")


def _question(record: Mapping[str, Any], strip_prefix: str) -> Question:
    kind = str(record.get("problem_type", "")).strip().lower()
    if kind not in _TYPES:
        raise ValueError(f"problem_type={kind!r} is unknown; known are {', '.join(_TYPES)}")
    options = tuple(_option(i, o) for i, o in enumerate(record.get("options") or ()))
    solution = str(record.get("solution", ""))
    found = _ANSWER.search(solution)
    answer = found.group(1) if found else solution.strip()
    if _TYPES[kind] == "choice" and (letter := re.fullmatch(r"\(?([A-Za-z])\)?\.?", answer)):
        answer = letter.group(1).upper()
    path = str(record.get("path", ""))
    return Question.model_validate(
        {
            "id": str(record.get("problem_id", "")),
            "video": path.removeprefix(strip_prefix).removeprefix("./").lstrip("/"),
            "question": record.get("problem", ""),
            "options": options if _TYPES[kind] == "choice" else (),
            "answer_type": _TYPES[kind],
            "answer": answer,
        }
    )


def _option(index: int, text: object) -> str:
    """An option without its letter; the letter must be the one of its place."""
    match = _OPTION.match(str(text))
    if match is None:
        return str(text)
    expected = option_letters(index + 1)[-1] if index < 26 else "?"
    if match.group(1).upper() != expected:
        return str(text)
    return match.group(2)


def _line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        return f"{place}: {message}" if place else message
    return str(error)
