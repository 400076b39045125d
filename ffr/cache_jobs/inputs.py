"""From a configuration to the failures of a job: questions, then every source of wrong answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ffr.cache_jobs.answers import AnswerBook
from ffr.cache_jobs.collect import Collection, counterfactuals, unanswered
from ffr.cache_jobs.recorded import collect_recorded
from ffr.config.cache import CacheConfig
from ffr.data.load import BadRow, load_questions
from ffr.data.question import Question
from ffr.demo.world import generate_demo_world
from ffr.errors import UserError

__all__ = ["JobInputs", "collect_failures", "load_inputs"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class JobInputs:
    """The questions of a job, in file order, and the folder their videos lie under."""

    questions: tuple[Question, ...]
    skipped: tuple[BadRow, ...]
    media_root: Path


def load_inputs(config: CacheConfig, progress: Progress = lambda _d, _t: None) -> JobInputs:
    """Read the question files of ``failures.splits``; the demo world is made if asked for.

    Videos are not opened here: one that cannot be read is a counted failure of its questions.

    Raises:
        UserError: a file is not set, missing or bad, two rows share an id, or no row is left.
    """
    data = config.data
    paths = {split: getattr(data, split) for split in config.failures.splits}
    root = data.media_root
    if data.demo is not None:
        world = generate_demo_world(data.demo, progress=progress)
        for split, path in paths.items():
            paths[split] = path or str(getattr(world, split))
        root = root or str(world.root)
    questions: dict[str, Question] = {}
    skipped: list[BadRow] = []
    for split, path in paths.items():
        if not path:
            raise UserError(
                f"failures.splits names {split!r}, but data.{split} is not set; name a JSONL file "
                "of questions"
            )
        loaded = load_questions(Path(path), None, data.on_bad_row, check_media=False)
        skipped += loaded.skipped
        for question in loaded.questions:
            if questions.setdefault(question.id, question) is not question:
                raise UserError(
                    f"id {question.id!r} stands in two of the files of failures.splits; make ids "
                    "unique"
                )
    if not questions:
        raise UserError("data holds no usable question; run `ffr data check` on the files")
    first = next(path for path in paths.values() if path)
    media_root = Path(root or Path(first).parent).resolve()
    if not media_root.is_dir():
        raise UserError(f"media root {media_root} is not a folder; set data.media_root to one")
    kept = tuple(questions.values())[: config.failures.limit]
    return JobInputs(kept, tuple(skipped), media_root)


def collect_failures(
    config: CacheConfig, inputs: JobInputs, book: AnswerBook | None
) -> Collection:
    """Every distinct failure of every source, in a fixed order.

    Args:
        config: names the sources.
        inputs: the questions.
        book: the student's answers so far, if it is a source.

    Raises:
        UserError: a source cannot be read.
    """
    found = Collection({q.id: q for q in inputs.questions}, config.reward)
    for path in config.failures.recorded:
        collect_recorded(Path(path), found)
    if book is not None:
        for question in inputs.questions:
            for number, response in enumerate(book.get(question) or ()):
                found.add_response(question.id, response, f"{question.id}, answer {number + 1}")
    if config.failures.counterfactual:
        found.add(counterfactuals(inputs.questions))
        open_ended = sum(not question.options for question in inputs.questions)
        if open_ended:
            found.counts["not_multiple_choice"] += open_ended
    if config.failures.unanswered:
        found.add(unanswered(inputs.questions))
    return found
