"""Check a question file of any size: rows, gold answers, and the videos they speak of."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffr.data.bad_rows import BadRow, BadRows, RowPolicy
from ffr.data.digest import DatasetDigest
from ffr.data.output import writing_lines
from ffr.data.probe import Probe
from ffr.data.probes import ProbeOptions, probe_all
from ffr.data.question import Question
from ffr.data.stream import Tally, stream_questions
from ffr.errors import UserError
from rewards.accuracy import gold_problem

__all__ = ["CheckReport", "Limits", "check_questions"]


@dataclass(frozen=True)
class Limits:
    """How long a video must be.

    Attributes:
        min_s: shortest video, seconds.
        slack_s: how far a gold span or event may reach beyond the end; published times are
            rounded.
    """

    min_s: float = 0.0
    slack_s: float = 1.0


@dataclass(frozen=True)
class CheckReport:
    """What a file holds.

    Attributes:
        rows: rows in the file, blank lines apart.
        good: rows that can be used.
        videos: videos the readable rows speak of.
        looked_at: whether the videos were opened.
        bad: see ``BadRows.report``.
        sha256: content hash of the good rows.
    """

    path: Path
    rows: int
    good: int
    videos: int
    looked_at: bool
    answer_types: Mapping[str, int]
    families: Mapping[str, int]
    bad: Mapping[str, Any]
    first_bad: tuple[BadRow, ...]
    sha256: str


def check_questions(
    path: Path,
    media: ProbeOptions | None,
    *,
    policy: RowPolicy = RowPolicy("skip"),  # noqa: B008 - frozen
    limits: Limits = Limits(),
    keep: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CheckReport:
    """Check every row, and every video once.

    Memory grows with the number of videos, not of rows. Bad rows go to ``<path>.bad.jsonl``.

    Args:
        path: JSONL with one ``Question`` a line.
        media: how to look at the videos; ``None`` leaves them alone.
        policy: see ``RowPolicy``; with ``skip`` the report is all that happens.
        limits: see ``Limits``.
        keep: file for the good rows.
        progress: told (videos done, videos in all).

    Raises:
        UserError: the file cannot be read or is empty; more rows are bad than ``policy`` bears.
    """
    probes: dict[str, Probe] | None = None
    if media is not None:
        probes = probe_all((q.video for _, q in stream_questions(path, None)), media, progress)
    types, families = Counter[str](), Counter[str]()
    digest = DatasetDigest()
    videos: set[str] = set()
    tally = Tally()
    with (
        BadRows(str(path), policy, path.with_name(f"{path.name}.bad.jsonl")) as bad,
        contextlib.ExitStack() as stack,
    ):
        write = stack.enter_context(writing_lines(keep)) if keep is not None else None
        for line, question in stream_questions(path, bad, tally):
            videos.add(question.video)
            if (problem := _problem(line, question, probes, limits)) is not None:
                bad.add(problem)
                continue
            digest.add(question)
            types[question.answer_type] += 1
            if question.family:
                families[question.family] += 1
            if write is not None:
                write(question.model_dump_json(exclude_defaults=True))
        if not tally.rows:
            raise UserError(f"{path} holds no question; give one JSON object a line")
        bad.settle(tally.rows)
        report, first = bad.report(), tuple(bad.first())
        if keep is not None and not types:
            raise UserError(f"{path}: no row is good, so {keep} was not written; see the report")
    return CheckReport(
        path, tally.rows, types.total(), len(videos), media is not None, dict(types),
        dict(families), report, first, digest.hexdigest(),
    )  # fmt: skip


def _problem(
    line: int,
    question: Question,
    probes: Mapping[str, Probe] | None,
    limits: Limits,
) -> BadRow | None:
    if (reason_of_gold := gold_problem(question)) is not None:
        return BadRow(line, question.id, reason_of_gold, "answer")
    if probes is None:
        return None
    probe = probes[question.video]
    if probe.problem is not None:
        return BadRow(line, question.id, probe.detail, probe.problem)
    duration = probe.duration_s or 0.0
    if duration < limits.min_s:
        reason = (
            f"video {question.video[:200]!r} lasts {duration:.2f} s; at least {limits.min_s:g} s "
            "are asked for"
        )
        return BadRow(line, question.id, reason, "media_short")
    clip = (question.clip,) if question.clip else ()
    last = max((span.end_s for span in (*question.gold_spans, *question.events, *clip)), default=0)
    if last > duration + limits.slack_s:
        reason = (
            f"times reach to {last:.2f} s, the video ends at {duration:.2f} s; mend the times, or "
            "fetch the whole video"
        )
        return BadRow(line, question.id, reason, "media_short")
    return None
