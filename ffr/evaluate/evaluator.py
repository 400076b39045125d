"""Answer questions greedily with any ``Student``, plainly or with evidence patches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ffr.config.rewards import RewardConfig
from ffr.data.question import Question, option_letters
from ffr.errors import FfrError
from ffr.evaluate.records import EvalRow
from ffr.patches.patch import NoPatch
from ffr.repair.protocols import FailedRollout, Student, Teacher
from ffr.repair.renderer import Renderer
from ffr.repair.scoring import score_rollout
from student.prompt_parts import StudentPrompt

__all__ = ["evaluate"]

Done = Callable[[EvalRow], None]


async def evaluate(
    questions: Sequence[Question],
    student: Student,
    renderer: Renderer,
    *,
    reward: RewardConfig,
    teacher: Teacher | None = None,
    concurrency: int = 64,
    on_row: Done = lambda _row: None,
) -> list[EvalRow]:
    """One row per question; with ``teacher`` the patched form is answered instead of the plain.

    The teacher is asked about a stand-in failure (the first wrong option, or no answer at
    all), so that the same patches serve every checkpoint and comparisons are paired.
    Questions whose media cannot be read, or that get no patch, give a row with ``skipped``.
    """
    gate = asyncio.Semaphore(concurrency)
    mode = "plain" if teacher is None else "patched"

    async def one(question: Question) -> EvalRow:
        row = EvalRow(question_id=question.id, family=question.family, mode=mode)
        async with gate:
            try:
                patch_id, prompt = await _prompt(question, renderer, teacher)
            except FfrError as error:
                row = row.model_copy(update={"skipped": f"{type(error).__name__}: {error}"})
            else:
                row = await _answer(row, question, prompt, student, reward, patch_id)
        on_row(row)
        return row

    return list(await asyncio.gather(*map(one, questions)))


class NoEvidenceError(FfrError):
    """There is no patch for a question; the message is the reason."""


async def _prompt(
    question: Question, renderer: Renderer, teacher: Teacher | None
) -> tuple[str | None, StudentPrompt]:
    if teacher is None:
        return None, await renderer.question(question.asked)
    wrong = stand_in_answer(question)
    diagnosis = await teacher.diagnose(
        FailedRollout(question, f"<think></think><answer>{wrong}</answer>", wrong)
    )
    if isinstance(diagnosis.outcome, NoPatch):
        raise NoEvidenceError(f"{diagnosis.outcome.reason}: {diagnosis.outcome.detail}")
    return diagnosis.outcome.patch_id, await renderer.patched(question.asked, diagnosis.outcome)


def stand_in_answer(question: Question) -> str:
    """A wrong answer to be diagnosed: the first wrong option, else ``unknown``."""
    if question.answer_type == "choice":
        return next(x for x in option_letters(len(question.options)) if x != question.answer)
    return "unknown"


async def _answer(
    row: EvalRow, question: Question, prompt: StudentPrompt, student: Student,
    reward: RewardConfig, patch_id: str | None,
) -> EvalRow:
    rollout = await student.answer(prompt)
    scored = score_rollout(rollout, question, reward)
    return row.model_copy(
        update={
            "response": rollout.text,
            "answer": scored.answer,
            "right": scored.score.right,
            "well_formed": scored.parsed.well_formed,
            "patch_id": patch_id,
        }
    )


