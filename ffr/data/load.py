"""Read question files strictly: every bad row is named, none is repaired or replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ffr.data.bad_rows import BadRow, RowPolicy
from ffr.data.digest import dataset_sha256
from ffr.data.json_rows import read_json_rows
from ffr.data.question import Question
from ffr.data.question_rows import parse_question
from ffr.errors import UserError
from rewards.accuracy import gold_problem
from teacher_tools.media import MediaError, VideoReader, resolve_media

__all__ = [
    "BadRow",
    "LoadedQuestions",
    "broken_media",
    "dataset_sha256",
    "load_questions",
    "read_json_rows",
    "refuse_or_bear",
]

_SHOWN = 5
_PROBE_TIMEOUT_S = 30.0
Progress = Callable[[int, int], None]
"""Called with (videos checked, videos in all)."""


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
    on_bad_row: str | RowPolicy = "fail",
    *,
    check_media: bool = True,
    progress: Progress | None = None,
) -> LoadedQuestions:
    """Read a JSONL file with one ``Question`` a line; blank lines are allowed.

    Args:
        path: the file, UTF-8.
        media_root: folder every ``video`` must lie under, links followed; default: the file's.
        on_bad_row: ``fail`` raises when there is one, ``skip`` leaves bad rows out, ``limit N``
            does so for up to N of them.
        check_media: open every video and decode its first frame (once per video).
        progress: told how the media check goes.

    Raises:
        UserError: the file cannot be read or holds no row; there are more bad rows than
            ``on_bad_row`` bears: their number and the first of them with line, id and reason.
    """
    policy = RowPolicy.parse(on_bad_row) if isinstance(on_bad_row, str) else on_bad_row
    bad: list[BadRow] = []
    good: list[tuple[int, Question]] = []
    first_line: dict[str, int] = {}
    total = 0
    for line, row in read_json_rows(path):
        total += 1
        parsed = row if isinstance(row, BadRow) else parse_question(line, row)
        if isinstance(parsed, BadRow):
            bad.append(parsed)
        elif parsed.id in first_line:
            reason = f"this id stands already in line {first_line[parsed.id]}"
            bad.append(BadRow(line, parsed.id, reason, "duplicate_id"))
        elif (problem := gold_problem(parsed)) is not None:
            first_line[parsed.id] = line
            bad.append(BadRow(line, parsed.id, problem, "answer"))
        elif parsed.clip is not None:
            first_line[parsed.id] = line
            reason = "is about a stretch of its file (clip); cut it out with `ffr data cut` first"
            bad.append(BadRow(line, parsed.id, reason, "times"))
        else:
            first_line[parsed.id] = line
            good.append((line, parsed))
    if not total:
        raise UserError(f"{path} holds no question; give one JSON object a line")
    if check_media:
        names = [question.video for _, question in good]
        broken = broken_media(names, media_root or path.parent, progress)
        bad += [
            BadRow(n, q.id, broken[q.video], "media_undecodable")
            for n, q in good
            if q.video in broken
        ]
        good = [(n, q) for n, q in good if q.video not in broken]
    bad.sort(key=lambda row: row.line)
    refuse_or_bear(path, bad, total, policy)
    return LoadedQuestions(tuple(q for _, q in good), tuple(bad))


def broken_media(
    videos: Iterable[str], root: Path, progress: Progress | None = None
) -> dict[str, str]:
    """Video name to what is wrong with it, for those of which not even a frame can be read.

    Raises:
        UserError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise UserError(f"media root {root} is not a folder; set data.media_root to one")
    names = list(dict.fromkeys(videos))
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


def refuse_or_bear(path: Path, bad: Sequence[BadRow], total: int, policy: RowPolicy) -> None:
    """Stop when more rows are bad than the policy bears.

    Raises:
        UserError: their number and the first of them.
    """
    if not bad or policy.mode == "skip" or (policy.mode == "limit" and len(bad) <= policy.limit):
        return
    shown = "; ".join(str(row) for row in bad[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    borne = f", more than the {policy.limit} of the limit" if policy.mode == "limit" else ""
    raise UserError(
        f"{path}: {len(bad)} of {total} rows are bad{borne}: {shown}{more}. "
        "Mend them, or set data.on_bad_row to skip or 'limit N' to leave them out"
    )
