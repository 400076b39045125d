"""``ffr cache shrink``: drop frames and regions that patches do not need."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.data.load import load_questions
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch
from ffr.patches.shrink import Judge
from ffr.patches.shrink_judges import JudgeError, StudentJudge, TeacherJudge
from ffr.patches.shrink_store import JudgeFor, ShrinkReport, shrink_store
from ffr.patches.store import PatchStore
from ffr.patches.walk import Progress, need_store

__all__ = ["shrink"]


def shrink(
    store: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the patch store.")],
    target: Annotated[Path, typer.Argument(help="Folder of the store to be filled.")],
    config: Annotated[
        list[Path], typer.Option(help="Configuration the patches are for; repeat to layer.")
    ],
    questions: Annotated[Path, typer.Option(help="JSONL file with the questions.")],
    media_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder the videos lie under; default: the questions' own.", show_default=False
        ),
    ] = None,
    student: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Judge by whether this student still repairs.",
            show_default=False,
        ),
    ] = None,
    judge: Annotated[
        str, typer.Option(metavar="student|teacher", help="Who decides what is needed.")
    ] = "student",
    samples: Annotated[int, typer.Option(min=1, help="Answers to each patch; 1 is greedy.")] = 1,
    threshold: Annotated[
        float, typer.Option(min=0.01, max=1, help="Least share of right answers.")
    ] = 0.5,
    max_judged: Annotated[int, typer.Option(min=2, help="Most tries for one patch.")] = 64,
    base_url: Annotated[
        str | None,
        typer.Option(help="Of the teacher; default: teacher.base_url.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill TARGET with the store's diagnoses, each patch as small as the judge allows."""
    if judge not in ("student", "teacher"):
        raise UserError(f"--judge={judge} is not allowed; give student or teacher")
    if (student is None) == (judge == "student"):
        raise UserError("give either --student CHECKPOINT or --judge teacher")
    source = need_store(store)
    words = (
        [] if student is None else [f"student.path={json.dumps(str(student))}", "student.tiny=null"]
    )
    loaded = load_config(config, words)
    asked = load_questions(questions, media_root, check_media=False).questions
    by_id = {question.id: question for question in asked}
    root = media_root if media_root is not None else questions.parent
    with progress_bar("shrinking") as progress:
        if student is not None:
            work = _by_student(
                source, target, loaded, by_id, str(student), root, samples, threshold, max_judged,
                progress,
            )  # fmt: skip
        else:
            work = _by_teacher(source, target, loaded, by_id, base_url, progress)
        report = asyncio.run(work)
    _show(target, report, as_json)


async def _by_student(
    source: PatchStore,
    target: Path,
    config: RunConfig,
    questions: Mapping[str, Question],
    checkpoint: str,
    media_root: Path,
    samples: int,
    threshold: float,
    max_judged: int,
    progress: Progress,
) -> ShrinkReport:
    from ffr.train.rendering import PromptRenderer
    from student.generate import BatchedStudent

    renderer = PromptRenderer(
        config.student, media_root=media_root, model_path=checkpoint, patch_media=source.media
    )
    model = BatchedStudent.load(
        checkpoint,
        config.student,
        temperature=0.0 if samples == 1 else None,
        seed=config.seed,
        max_batch=config.eval.batch_size,
        device=config.hardware.platform,
    )

    def judge_for(question: Question, _p: EvidencePatch, _i: Mapping[str, bytes]) -> Judge:
        return StudentJudge(
            question, model, renderer, config.reward, samples=samples, threshold=threshold
        )

    try:
        return await shrink_store(
            source, PatchStore(target), questions, judge_for, max_judged=max_judged,
            concurrency=2 * config.eval.batch_size, progress=progress,
        )  # fmt: skip
    finally:
        model.close()


async def _by_teacher(
    source: PatchStore,
    target: Path,
    config: RunConfig,
    questions: Mapping[str, Question],
    base_url: str | None,
    progress: Progress,
) -> ShrinkReport:
    from ffr.teacher.build import build_chat_model
    from ffr.teacher.chat import CallFailed

    teacher = config.teacher
    model = build_chat_model(teacher, base_url=base_url or teacher.base_url)

    async def ask(messages: Sequence[Mapping[str, Any]]) -> str:
        try:
            reply = await model.complete(messages, may_call_tools=False, counters=Counter())
        except CallFailed as error:
            raise JudgeError(str(error)) from error
        return reply.content

    judge_for: JudgeFor = lambda question, patch, images: TeacherJudge(  # noqa: E731
        question, patch, images, ask
    )
    try:
        return await shrink_store(
            source, PatchStore(target), questions, judge_for,
            concurrency=teacher.concurrency, progress=progress,
        )  # fmt: skip
    finally:
        await model.aclose()


def _show(target: Path, report: ShrinkReport, as_json: bool) -> None:
    if as_json:
        print_json(vars(report))
    else:
        for problem in report.problems:
            print(problem)
        outcomes = ", ".join(f"{n} {name}" for name, n in sorted(report.outcomes.items()))
        print(f"{target}: {outcomes or 'nothing to do'}")
        print(
            f"frames {report.frames[0]} -> {report.frames[1]}, regions {report.regions[0]} -> "
            f"{report.regions[1]}, {report.judged} patches judged"
        )
    if report.outcomes["unjudged"]:
        raise typer.Exit(1)
