"""The last stage of a run: its questions through the same asker and scorer as ``ffr eval``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ffr.config.protocol import EvalProtocol, FramesSection, PromptSection, SamplingSection
from ffr.config.schema import RunConfig
from ffr.data.question import Question
from ffr.evaluate.drive import Batch, ask_batches, cut
from ffr.evaluate.make_row import make_row
from ffr.evaluate.metrics.registry import Metric
from ffr.evaluate.reply import Asker, Reply
from ffr.evaluate.rows import ItemRow

__all__ = ["evaluate", "protocol_of_run"]


async def evaluate(
    questions: Sequence[Question],
    asker: Asker,
    protocol: EvalProtocol,
    *,
    metrics: Mapping[str, Metric] | None = None,
    batch_size: int = 1,
    at_once: int = 1,
    on_row: Callable[[ItemRow], None] = lambda _row: None,
) -> list[ItemRow]:
    """One row per question, in their order.

    Args:
        questions: asked in this order.
        asker: the model, with or without patches.
        protocol: whose scorers decide what is right.
        metrics: what else is measured, by name.
        batch_size: questions asked together.
        at_once: batches under way.
        on_row: told of every row as soon as its batch is done.

    Raises:
        UserError: the model broke down on many questions in a row.
    """
    rows: dict[int, ItemRow] = {}

    async def keep(batch: Batch, replies: list[Reply]) -> None:
        first = batch[0] * batch_size
        for offset, (question, reply) in enumerate(zip(batch[1], replies, strict=True)):
            index = first + offset
            rows[index] = await make_row(index, question, reply, protocol, metrics or {})
            on_row(rows[index])

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
        metrics=config.eval.metrics,
        judge=config.reward.judge if config.eval.metrics else None,
    )  # fmt: skip
