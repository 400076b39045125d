"""Read question files strictly: every bad row is named, none is repaired or replaced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ffr.data.question import Question
from ffr.errors import UserError
from student.prompt import control_token
from teacher_tools.media import MediaError, VideoReader, resolve_media

__all__ = ["BadRow", "LoadedQuestions", "dataset_sha256", "load_questions", "read_json_rows"]

_SHOWN = 5
_PROBE_TIMEOUT_S = 30.0
Progress = Callable[[int, int], None]
"""Called with (videos checked, videos in all)."""


@dataclass(frozen=True)
class BadRow:
    """A row that was left out; ``line`` counts from 1, ``id`` is ``None`` when unreadable."""

    line: int
    id: str | None
    reason: str

    def __str__(self) -> str:
        name = f" (id {self.id!r})" if self.id else ""
        return f"line {self.line}{name}: {self.reason}"


@dataclass(frozen=True)
class LoadedQuestions:
    """What a question file held, in file order."""

    questions: tuple[Question, ...]
    skipped: tuple[BadRow, ...]

    @property
    def sha256(self) -> str:
        """Content hash of the questions that were kept; see ``dataset_sha256``."""
        return dataset_sha256(self.questions)


def load_questions(
    path: Path,
    media_root: Path | None = None,
    on_bad_row: Literal["fail", "skip"] = "fail",
    *,
    check_media: bool = True,
    progress: Progress | None = None,
) -> LoadedQuestions:
    """Read a JSONL file with one ``Question`` a line; blank lines are allowed.

    Args:
        path: the file, UTF-8.
        media_root: folder every ``video`` must lie under, links followed; default: the file's.
        on_bad_row: ``fail`` raises on the first look at all rows, ``skip`` leaves bad ones out.
        check_media: open every video and decode its first frame (once per video).
        progress: told how the media check goes.

    Raises:
        UserError: the file cannot be read or holds no row; with ``fail``, the number of bad
            rows and the first of them with line, id and reason.
    """
    bad: list[BadRow] = []
    good: list[tuple[int, Question]] = []
    first_line: dict[str, int] = {}
    total = 0
    for line, row in read_json_rows(path):
        total += 1
        parsed = row if isinstance(row, BadRow) else _question(line, row)
        if isinstance(parsed, BadRow):
            bad.append(parsed)
        elif parsed.id in first_line:
            bad.append(
                BadRow(line, parsed.id, f"this id stands already in line {first_line[parsed.id]}")
            )
        else:
            first_line[parsed.id] = line
            good.append((line, parsed))
    if not total:
        raise UserError(f"{path} holds no question; give one JSON object a line")
    if check_media:
        broken = _broken_media(good, media_root or path.parent, progress)
        bad += [BadRow(n, q.id, broken[q.video]) for n, q in good if q.video in broken]
        good = [(n, q) for n, q in good if q.video not in broken]
    bad.sort(key=lambda row: row.line)
    if bad and on_bad_row == "fail":
        raise UserError(_summary(path, bad, total))
    return LoadedQuestions(tuple(q for _, q in good), tuple(bad))


def dataset_sha256(questions: Sequence[Question]) -> str:
    """SHA-256 over the questions as canonical JSON, in order; formatting does not matter."""
    digest = hashlib.sha256()
    for question in questions:
        row = json.dumps(question.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        digest.update(row.encode() + b"\n")
    return digest.hexdigest()


def read_json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """The JSON objects of a JSONL file with their line numbers; a ``BadRow`` where it is none.

    Refused: text that is not UTF-8, NaN and infinity, an object with a key twice.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give a readable file") from error
    for number, raw in enumerate(lines, start=1):
        if raw.strip():
            yield number, _json_object(number, raw)


def _json_object(line: int, raw: bytes) -> dict[str, Any] | BadRow:
    try:
        row = json.loads(
            raw.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twins
        )
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return BadRow(line, None, "holds half a surrogate pair (\\ud800-\\udfff); write whole text")
    except UnicodeDecodeError as error:
        return BadRow(line, None, f"byte {error.start} is not UTF-8; save the file as UTF-8")
    except json.JSONDecodeError as error:
        return BadRow(line, None, f"column {error.colno}: not valid JSON ({error.msg})")
    except ValueError as error:
        return BadRow(line, None, str(error))
    except RecursionError:
        return BadRow(line, None, "nested too deeply; a row is one flat object")
    if not isinstance(row, dict):
        return BadRow(line, None, f"{_clip(row)} is not an object; write {{...}}")
    return row


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed; give a finite number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twin!r} occurs twice; keep one")
    return row


def _question(line: int, row: dict[str, Any]) -> Question | BadRow:
    identity = row.get("id")
    try:
        # Through JSON: strict, yet lists become tuples.
        question = Question.model_validate_json(json.dumps(row), strict=True)
    except ValidationError as error:
        reason = "; ".join(
            _reason(".".join(map(str, e["loc"])), e["type"], e["msg"], e["input"])
            for e in error.errors(include_url=False)[:3]
        )
        return BadRow(line, identity if isinstance(identity, str) else None, reason)
    for text in (question.question, *question.options):
        if token := control_token(text):
            return BadRow(
                line, question.id, f"contains the control token {token!r}, which models read as "
                "structure; remove it"
            )  # fmt: skip
    return question


def _reason(place: str, kind: str, message: str, value: Any) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "missing":
        return f"{place} is missing; every row needs it"
    if kind == "extra_forbidden":
        known = ", ".join(Question.model_fields)
        return f"unknown key {place!r}; known are {known}"
    if not place:
        return f"{message[:1].lower()}{message[1:]}"
    return f"{place}={_clip(value)}: {message[:1].lower()}{message[1:]}"


def _clip(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _broken_media(
    rows: Sequence[tuple[int, Question]], root: Path, progress: Progress | None
) -> dict[str, str]:
    """Video name to what is wrong with it, for those that cannot be used."""
    if not root.is_dir():
        raise UserError(f"media root {root} is not a folder; set data.media_root to one")
    names = list(dict.fromkeys(question.video for _, question in rows))
    broken: dict[str, str] = {}
    for done, name in enumerate(names, start=1):
        try:
            with VideoReader.open(resolve_media(name, root), timeout_s=_PROBE_TIMEOUT_S) as reader:
                reader.frames_at([0.0])
        except MediaError as error:
            broken[name] = str(error)
        if progress is not None:
            progress(done, len(names))
    return broken


def _summary(path: Path, bad: Sequence[BadRow], total: int) -> str:
    shown = "; ".join(str(row) for row in bad[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return (
        f"{path}: {len(bad)} of {total} rows are bad: {shown}{more}. "
        "Mend them, or set data.on_bad_row to skip to leave them out"
    )
