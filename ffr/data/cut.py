"""Cut clips: rows about a stretch of a file become rows about a file of their own."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ffr.data.bad_rows import BadRow, BadRows, RowPolicy
from ffr.data.output import writing_lines
from ffr.data.question import Question, ReferenceEvent
from ffr.data.stream import Tally, stream_questions
from ffr.errors import UserError
from ffr.geometry import Span
from teacher_tools.media import (
    BackendMissingError,
    MediaError,
    MediaNotAllowedError,
    MediaNotFoundError,
    MediaTimeoutError,
    resolve_media,
)
from teacher_tools.media.errors import MediaWriteError
from teacher_tools.media.export import export_clip

__all__ = ["CutReport", "cut_clips", "moved_question"]


@dataclass(frozen=True)
class CutReport:
    """Rows written, clips cut now, clips that were there already, and what did not work."""

    written: int
    cut: int
    reused: int
    whole: int
    bad: dict[str, object]


def cut_clips(
    source: Path,
    target: Path,
    media_root: Path,
    *,
    folder: str = "clips",
    policy: RowPolicy = RowPolicy(),  # noqa: B008 - frozen
    progress: Callable[[int], None] = lambda _done: None,
) -> CutReport:
    """Write every clip to ``<media_root>/<folder>`` and the rows, about those files, to ``target``.

    Times of gold spans and events move along; what lies outside the clip is cut off. Clips are
    named by video and times: what is there already is used again. Rows without a clip stay.

    Raises:
        UserError: no row is left, more rows are bad than ``policy`` bears, or there is no ffmpeg.
    """
    count = Counter[str]()
    tally = Tally()
    with (
        BadRows(str(source), policy, target.with_name(f"{target.name}.bad.jsonl")) as bad,
        writing_lines(target) as write,
    ):
        for line, question in stream_questions(source, bad, tally):
            progress(tally.rows)
            try:
                moved = _cut(question, media_root, folder, count)
            except BackendMissingError:
                raise  # no row is to blame
            except MediaError as error:
                bad.add(BadRow(line, question.id, str(error), _kind(error)))
                continue
            write(moved.model_dump_json(exclude_defaults=True))
            count["written"] += 1
        bad.settle(tally.rows)
        if not count["written"]:
            raise UserError(f"{source} gave no row; see {target.name}.bad.jsonl")
        report = bad.report()
    return CutReport(count["written"], count["cut"], count["reused"], count["whole"], report)


def moved_question(question: Question, video: str, start_s: float, end_s: float) -> Question:
    """The question about ``video``, which shows ``start_s`` to ``end_s`` of its present file."""
    spans = [s for s in question.gold_spans if s.end_s >= start_s and s.start_s <= end_s]
    events = [e for e in question.events if e.end_s >= start_s and e.start_s <= end_s]

    def move(t_s: float) -> float:
        return min(max(t_s, start_s), end_s) - start_s

    return question.model_copy(
        update={
            "video": video,
            "clip": None,
            "gold_spans": tuple(
                Span(start_s=move(s.start_s), end_s=move(s.end_s), box=s.box) for s in spans
            ),
            "events": tuple(
                ReferenceEvent(start_s=move(e.start_s), end_s=move(e.end_s), text=e.text)
                for e in events
            ),
        }
    )


def _cut(question: Question, root: Path, folder: str, count: Counter[str]) -> Question:
    clip = question.clip
    if clip is None:
        count["whole"] += 1
        return question
    source = resolve_media(question.video, root)
    key = f"{question.video}\0{clip.start_s!r}\0{clip.end_s!r}\0{source.stat().st_size}"
    name = f"{folder}/{hashlib.sha256(key.encode()).hexdigest()[:32]}.mp4"
    target = root / name
    if target.is_file():
        count["reused"] += 1
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        export_clip(source, target, clip.start_s, clip.end_s)
        count["cut"] += 1
    return moved_question(question, name, clip.start_s, clip.end_s)


def _kind(error: MediaError) -> str:
    if isinstance(error, MediaWriteError):
        return "times"  # no stretch of this video
    if isinstance(error, MediaNotFoundError):
        return "media_missing"
    if isinstance(error, MediaNotAllowedError):
        return "media_refused"
    return "media_timeout" if isinstance(error, MediaTimeoutError) else "media_undecodable"
