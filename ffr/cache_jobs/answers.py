"""A student's answers to every question, kept in the job folder so that none is asked twice.

One line a question with all its responses, so a question is either answered or it is not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ffr.config.cache import CacheConfig
from ffr.data.question import Question
from ffr.errors import FfrError, UserError
from ffr.patches.keys import canonical_hash
from ffr.repair.protocols import Student
from ffr.repair.renderer import Renderer
from ffr.run.jsonl import append_line, read_lines

__all__ = ["AnswerBook", "answer_all", "open_student"]

_GIVE_UP = 10
_WIRE = 2  # raise it when the form in which endpoints are asked changes

Progress = Callable[[int, int], None]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    asked_sha256: str
    responses: tuple[str, ...]


class AnswerBook:
    """The file of answers of one student set-up.

    Args:
        folder: of the job; the file's name follows from the student's configuration, so that a
            changed student never inherits the answers of another.
        config: of the job.
    """

    def __init__(self, folder: Path, config: CacheConfig) -> None:
        wanted = config.failures.student
        assert wanted is not None
        setup = {
            "student": config.student.model_dump(mode="json"),
            "answers": wanted.model_dump(
                mode="json",
                exclude={"batch_size": True, "device": True,
                         "endpoint": {"concurrency", "call_timeout_s", "retries", "api_key_env"}},
            ),
            "seed": config.seed,
            "wire": _WIRE if wanted.endpoint is not None else None,
        }  # fmt: skip
        self.path = folder / "answers" / f"{canonical_hash(setup)[:16]}.jsonl"
        self._samples = wanted.samples
        self._lines: dict[str, _Line] = {}
        for raw in read_lines(self.path)[0]:
            try:
                line = _Line.model_validate(raw)
            except ValidationError:
                continue
            self._lines[line.question_id] = line

    def get(self, question: Question) -> tuple[str, ...] | None:
        """The responses to exactly this question, or ``None``."""
        line = self._lines.get(question.id)
        known = line is not None and line.asked_sha256 == _asked_hash(question)
        return line.responses if known and line is not None else None

    def put(self, question: Question, responses: Sequence[str]) -> None:
        """Keep the responses to a question."""
        line = _Line(
            question_id=question.id,
            asked_sha256=_asked_hash(question),
            responses=tuple(responses),
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_line(self.path, line)
        self._lines[question.id] = line


async def answer_all(
    questions: Sequence[Question],
    book: AnswerBook,
    student: Student,
    renderer: Renderer,
    *,
    samples: int,
    at_once: int,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _done, _total: None,
) -> list[tuple[str, str]]:
    """Answer every question the book does not know.

    Args:
        questions: in the order they are begun.
        book: gets the answers.
        student: gives them.
        renderer: makes the prompts.
        samples: answers a question.
        at_once: questions under way.
        stopping: no further question is begun once this is true.
        progress: told (questions answered, questions in all).

    Returns:
        (question id, reason) of questions that could not be answered; they are tried again at
        the next launch.

    Raises:
        UserError: ten questions in a row failed; the student is not there.
    """
    open_questions = [q for q in questions if book.get(q) is None]
    problems: list[tuple[str, str]] = []
    waiting = iter(open_questions)
    done = in_a_row = 0

    async def work() -> None:
        nonlocal done, in_a_row
        for question in waiting:
            if stopping() or in_a_row >= _GIVE_UP:
                return
            try:
                prompt = await renderer.question(question.asked)
                rollouts = await asyncio.gather(*(student.answer(prompt) for _ in range(samples)))
            except FfrError as error:
                problems.append((question.id, f"{type(error).__name__}: {error}"[:300]))
                in_a_row += 1
                continue
            in_a_row = 0
            await asyncio.to_thread(book.put, question, [rollout.text for rollout in rollouts])
            done += 1
            progress(done, len(open_questions))

    await asyncio.gather(*(work() for _ in range(max(1, at_once))))
    if in_a_row >= _GIVE_UP:
        raise UserError(
            f"the student failed on {in_a_row} questions in a row, the last time with "
            f"{problems[-1][1]}; mend failures.student, then start the same command again"
        )
    return problems


@asynccontextmanager
async def open_student(
    config: CacheConfig, media_root: Path
) -> AsyncIterator[tuple[Student, Renderer, int]]:
    """The student of ``config``, its renderer, and how many questions to ask at once.

    Raises:
        UserError: no key for the endpoint, or the checkpoint cannot be loaded.
    """
    wanted = config.failures.student
    assert wanted is not None
    temperature = (
        config.student.temperature if wanted.temperature is None else wanted.temperature
    )
    if wanted.endpoint is not None:
        from ffr.cache_jobs.endpoint_student import EndpointStudent
        from ffr.cache_jobs.plain_renderer import PlainRenderer

        remote = EndpointStudent(
            wanted.endpoint, temperature=temperature,
            max_tokens=config.student.max_response_tokens, seed=config.seed,
        )  # fmt: skip
        try:
            yield remote, PlainRenderer(config.student, media_root), wanted.endpoint.concurrency
        finally:
            await remote.aclose()
        return
    from ffr.cache_jobs.checkpoint_student import load_checkpoint_student

    local, renderer = await asyncio.to_thread(load_checkpoint_student, config, media_root)
    try:
        yield local, renderer, 2 * wanted.batch_size
    finally:
        local.close()


def _asked_hash(question: Question) -> str:
    return hashlib.sha256(question.asked.model_dump_json().encode()).hexdigest()
