"""Pass rates measured now, by asking a student behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from ffr.config.cache import CacheConfig
from ffr.data.question import Question
from ffr.data.rates import Rate, Rates
from rewards.accuracy import accuracy, is_right
from student.parse import parse_response

__all__ = ["measured_rates"]


def measured_rates(
    questions: Sequence[Question],
    config: CacheConfig,
    media_root: Path,
    folder: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Rates, list[tuple[str, str]]]:
    """Ask each question ``failures.student.samples`` times and judge the answers.

    The answers are kept in ``folder``, so that the same call goes on where it was stopped.

    Args:
        questions: those to ask.
        config: ``failures.student`` and ``student`` say who is asked and how.
        media_root: folder the videos lie under.
        folder: for the answers.
        progress: told (questions answered, questions to ask).

    Returns:
        The rates, and (question id, reason) for questions that could not be asked.

    Raises:
        UserError: no key, no student, or ten questions failed in a row.
    """
    from ffr.cache_jobs.answers import AnswerBook, answer_all, open_student

    wanted = config.failures.student
    assert wanted is not None
    book = AnswerBook(folder, config)

    async def ask() -> list[tuple[str, str]]:
        async with open_student(config, media_root) as (student, renderer, at_once):
            return await answer_all(
                questions, book, student, renderer,
                samples=wanted.samples, at_once=at_once, progress=progress,
            )  # fmt: skip

    unanswered = asyncio.run(ask())
    rates = Rates()
    for question in questions:
        responses = book.get(question)
        if responses:
            right = sum(_right(text, question) for text in responses)
            rates.add(question.id, Rate(n=len(responses), right=right))
    return rates, unanswered


def _right(response: str, question: Question) -> bool:
    score = accuracy(parse_response(response).answer, question)
    return is_right(score, question.answer_type)
