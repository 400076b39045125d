"""The last stage of a run: its questions through the same asker and scorer as ``ffr eval``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ffr.config.protocol import EvalProtocol, FramesSection, PromptSection, SamplingSection
from ffr.config.rewards import RewardConfig
from ffr.config.schema import RunConfig
from ffr.data.question import Question
from ffr.evaluate.drive import Batch, ask_batches, cut
from ffr.evaluate.records import EvalRow, Mode
from ffr.evaluate.reply import Asker, Reply
from ffr.evaluate.score_item import score_response

__all__ = ["evaluate", "protocol_of_run"]


async def evaluate(
    questions: Sequence[Question],
    asker: Asker,
    *,
    reward: RewardConfig,
    mode: Mode = "plain",
    batch_size: int = 1,
    at_once: int = 1,
    on_row: Callable[[EvalRow], None] = lambda _row: None,
) -> list[EvalRow]:
    """One row per question, in their order.

    Args:
        questions: asked in this order.
        asker: the model, with or without patches.
        reward: whose scorers decide what is right.
        mode: what rows are called.
        batch_size: questions asked together.
        at_once: batches under way.
        on_row: told of every row as soon as its batch is done.

    Raises:
        UserError: the model broke down on many questions in a row.
    """
    rows: dict[int, EvalRow] = {}

    async def keep(batch: Batch, replies: list[Reply]) -> None:
        for offset, (question, reply) in enumerate(zip(batch[1], replies, strict=True)):
            row = _row(question, reply, reward, mode)
            rows[batch[0] * batch_size + offset] = row
            on_row(row)

    await ask_batches(cut(questions, batch_size), asker, keep, at_once=at_once)
    return [rows[index] for index in range(len(questions))]


def protocol_of_run(config: RunConfig) -> EvalProtocol:
    """What the last stage of a run does, as a protocol ``ffr eval`` can repeat."""
    student, frames = config.student, config.student.frames
    return EvalProtocol(
        name=config.name,
        description=f"The evaluation of the run {config.name}.",
        frames=FramesSection(
            count=frames.count, fps=frames.fps, max_pixels=frames.max_pixels,
            exact_size=frames.exact_size, size_multiple=frames.size_multiple,
            clock=frames.clock_overlay, clock_format=frames.clock_format,
            subtitles=frames.subtitle_overlay,
        ),
        prompt=PromptSection.model_validate(
            student.prompt.model_dump(include=set(PromptSection.model_fields))
        ),
        sampling=SamplingSection(max_new_tokens=student.max_response_tokens, seed=config.seed),
        max_prompt_tokens=student.max_prompt_tokens,
        scoring=config.reward.mode,
    )  # fmt: skip


def _row(question: Question, reply: Reply, reward: RewardConfig, mode: Mode) -> EvalRow:
    row = EvalRow(
        question_id=question.id, family=question.family, mode=mode, patch_id=reply.patch_id
    )
    if reply.failure is not None or reply.raw is None:
        why = reply.failure.detail if reply.failure else "no response"
        return row.model_copy(update={"skipped": why})
    scored = score_response(question, reply.raw.text, scoring=reward.mode)
    return row.model_copy(
        update={
            "response": reply.raw.text,
            "answer": scored.answer,
            "right": scored.right,
            "well_formed": scored.well_formed,
        }
    )
