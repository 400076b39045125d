"""One evaluation from start to scores: claim the folder, ask what is missing, add up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffr.config.load import dump_config
from ffr.config.protocol import EvalProtocol
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.evaluate.drive import Batch, ask_batches, cut
from ffr.evaluate.folder import DoneBatch, EvalFolder, read_json, write_json
from ffr.evaluate.make_row import make_row
from ffr.evaluate.manifest import evaluation_manifest
from ffr.evaluate.metrics.registry import Metric, MetricContext, build_metrics, metric_names
from ffr.evaluate.open_model import OpenModel, asker_for
from ffr.evaluate.reply import Reply
from ffr.evaluate.rows import ItemRow
from ffr.evaluate.scores import score_rows
from ffr.judge.build import build_judge
from ffr.patches.files import write_atomic
from ffr.repair.concurrency import gather_or_raise
from rewards.accuracy import gold_problem

__all__ = ["Evaluation", "run_evaluation"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is evaluated, how and where.

    Attributes:
        protocol: how.
        questions: asked in this order.
        data: the file they come from.
        media_root: folder every video must lie under.
        out: folder of the evaluation; the same one continues it.
        identity: of the model, see ``ffr.evaluate.manifest``.
        execution: settings of the machine that can change rounding.
        batch_size: questions asked together.
        at_once: batches under way.
        left_out: bad rows of the file that were skipped.
        retry_failed: ask failed questions again, with the others of their batch.
    """

    protocol: EvalProtocol
    questions: Sequence[Question]
    data: Path
    media_root: Path
    out: Path
    identity: Mapping[str, Any]
    execution: Mapping[str, Any]
    batch_size: int = 1
    at_once: int = 1
    left_out: int = 0
    retry_failed: bool = False


def run_evaluation(
    job: Evaluation, open_model: Callable[[], OpenModel],
    progress: Progress = lambda _done, _total: None,
) -> dict[str, Any]:  # fmt: skip
    """Evaluate, or go on where a killed evaluation was; returns the content of ``scores.json``.

    Args:
        job: what.
        open_model: called only when there is something to ask.
        progress: told (questions done, questions in all).

    Raises:
        UserError: the folder holds another evaluation or is in use, a gold answer cannot be
            scored, a metric lacks what it needs, or the model does not answer any more.
    """
    _check(job)
    folder = EvalFolder(job.out)
    with folder.locked():
        manifest = folder.claim(
            evaluation_manifest(
                job.protocol, job.questions, job.data, job.identity, job.execution, job.left_out
            )
        )
        write_atomic(job.out / "protocol.yaml", dump_config(job.protocol).encode())
        batches = cut(job.questions, job.batch_size)
        ids = [[question.id for question in batch] for _, batch in batches]
        finished = folder.scores_path.is_file() and folder.items_path.is_file()
        done = folder.done(ids)
        todo = [
            batch for batch in batches
            if _open(done.get(batch[0]), finished=finished, retry=job.retry_failed)
        ]  # fmt: skip
        if finished and not todo:
            return read_json(folder.scores_path)
        folder.scores_path.unlink(missing_ok=True)
        return asyncio.run(_run(job, folder, manifest, open_model, todo, ids, progress))


async def _run(
    job: Evaluation, folder: EvalFolder, manifest: Mapping[str, Any],
    open_model: Callable[[], OpenModel], todo: Sequence[Batch], ids: Sequence[Sequence[str]],
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    total = len(job.questions)
    left = sum(len(batch) for _, batch in todo)
    progress(total - left, total)
    async with AsyncExitStack() as stack:
        model = await asyncio.to_thread(open_model)
        stack.push_async_callback(model.source.aclose)
        judge = None
        if job.protocol.judge is not None:
            judge = build_judge(job.protocol.judge)
            stack.push_async_callback(judge.aclose)
        metrics = build_metrics(
            MetricContext(
                job.protocol, job.media_root, judge, model.generator, model.renderer,
                videos=[question.video for question in job.questions],
            )
        )

        async def keep(batch: Batch, replies: list[Reply]) -> None:
            nonlocal left
            rows = await _rows(job, batch, replies, metrics)
            seconds = max(reply.seconds for reply in replies)
            folder.add(DoneBatch(batch=batch[0], seconds=seconds, rows=tuple(rows)))
            left -= len(rows)
            progress(total - left, total)

        asker = asker_for(job.protocol, model, job.media_root)
        await ask_batches(todo, asker, keep, at_once=job.at_once)
        done = folder.done(ids)
        # Read back, so that rows of this launch and of earlier ones take the same way.
        items = [row for number in range(len(ids)) for row in done[number].rows]
        folder.write_items(items)
        seconds = sum(batch.seconds for batch in done.values())
        scores = {
            "schema_version": 1,
            "protocol": job.protocol.name,
            "model": manifest["model"]["name"],
            **score_rows(items, metrics),
            "seconds": {"model": seconds, "per_item": seconds / total},
            "retries": getattr(model.source, "retries", 0),
            "manifest": dict(manifest),
        }
    write_json(folder.scores_path, scores)
    return scores


async def _rows(
    job: Evaluation, batch: Batch, replies: Sequence[Reply], metrics: Mapping[str, Metric]
) -> list[ItemRow]:
    first = batch[0] * job.batch_size
    return await gather_or_raise(
        make_row(first + offset, question, reply, job.protocol, metrics)
        for offset, (question, reply) in enumerate(zip(batch[1], replies, strict=True))
    )


def _open(done: DoneBatch | None, *, finished: bool, retry: bool) -> bool:
    """Whether a batch must be asked.

    Calls that failed before a kill are made again; a finished evaluation stays as it is unless
    ``retry`` is wanted.
    """
    if done is None:
        return True
    failed = [row.failure.kind for row in done.rows if row.failure is not None]
    return bool(failed) if retry else not finished and "endpoint" in failed


def _check(job: Evaluation) -> None:
    """Everything that can be known before a model is loaded."""
    if not job.questions:
        raise UserError(f"{job.data} leaves no question to ask; give more, or a larger --limit")
    known = metric_names()
    for name in job.protocol.metrics:
        if name not in known:
            raise UserError(f"metrics: {name!r} is unknown; give some of {', '.join(known)}")
    for question in job.questions if job.protocol.scoring == "default" else ():
        if problem := gold_problem(question):
            raise UserError(f"{job.data}: id={question.id!r}: {problem}")
