"""One question from file to record: sample, elect, compare with the gold answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from ffr.config.elect import ElectConfig
from ffr.data.question import AskedQuestion, Question
from ffr.elect.candidate import Candidate
from ffr.elect.election import Election, hold_election
from ffr.elect.record import ElectionRecord, record_of
from ffr.elect.source import Source
from ffr.elect.video_poll import VideoPoll, sample_for_election
from rewards.accuracy import accuracy, is_right
from rewards.rler import CitationScale
from student.prompt_parts import VideoPart
from teacher_tools.media.access import resolve_media

__all__ = ["Asked", "ask"]


@dataclass(frozen=True, eq=False)
class Asked:
    """A held election with what it was held over."""

    record: ElectionRecord
    video: VideoPart
    scale: CitationScale


async def ask(
    question: AskedQuestion, media_root: Path, source: Source, config: ElectConfig
) -> Asked:
    """Elect an answer to a question about a video; a ``Question`` is also graded.

    Raises:
        UserError: the video cannot be used, or the question cannot be shown to the model.
    """
    path = resolve_media(question.video, media_root)
    started = time.monotonic()
    video = await asyncio.to_thread(sample_for_election, path, config)
    asked = question.asked if isinstance(question, Question) else question
    poll = VideoPoll(asked, video, source, config)
    election = await hold_election(poll, config)
    grades: dict[str, object] = {}
    if isinstance(question, Question):
        worth = accuracy(election.answer, question)
        grades = {
            "family": question.family,
            "accuracy": worth,
            "right": is_right(worth, question.answer_type),
            "right_before_referee": _right_before(election, question),
        }
    record = record_of(
        question.id, election, poll.scale, clustered=poll.reader.answers.clustered,
        seconds=time.monotonic() - started, **grades,
    )  # fmt: skip
    return Asked(record, video, poll.scale)


def _right_before(election: Election, question: Question) -> bool | None:
    """Whether the first winner was right; only asked where the referee overturned it."""
    check, tally = election.referee, election.tally
    if check is None or tally is None or not check.overturned:
        return None
    spokesman: Candidate = tally.spokesman(
        check.first_winner, clustered=question.answer_type == "regression"
    )
    return is_right(accuracy(spokesman.answer, question), question.answer_type)
