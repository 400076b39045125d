"""Elections over a data set: concurrent, resumable, each question a line of a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffr.config.elect import ElectConfig
from ffr.config.load import dump_config
from ffr.data.load import dataset_sha256
from ffr.data.question import Question
from ffr.elect.ask import ask
from ffr.elect.diagnostics import summarise
from ffr.elect.record import ElectionRecord
from ffr.elect.source import Source
from ffr.errors import UserError
from ffr.patches.files import write_atomic
from ffr.run.jsonl import append_line, read_lines

__all__ = ["elect_dataset"]

Progress = Callable[[int, int], None]
_RECORDS = "elections.jsonl"
_GIVE_UP = 8
"""Questions in a row without a single response after which the endpoint is taken for dead."""
_NOT_RESULTS: dict[str, Any] = {
    "questions_at_once": True, "serve": True, "device": True,
    "endpoint": {"base_url", "api_key_env", "timeout_s", "retries", "concurrency"},
}  # fmt: skip
"""Settings that change no election, so they may change between a run and its continuation."""


async def elect_dataset(
    questions: Sequence[Question],
    media_root: Path,
    source: Source,
    config: ElectConfig,
    folder: Path,
    progress: Progress = lambda _done, _total: None,
) -> dict[str, Any]:
    """Elect an answer to every question that has none in ``folder`` yet; returns the summary.

    ``folder`` gets ``config.yaml``, ``manifest.json``, ``elections.jsonl`` (one line per election,
    a question's last line counts) and ``summary.json``. Questions whose video cannot be used are
    recorded as skipped; those and elections without any response are tried again next time.

    Raises:
        UserError: the folder holds elections of other questions or settings or cannot be
            written, or the model gives no response at all.
    """
    _claim(folder, questions, config)
    path = folder / _RECORDS
    found = _read(path, {q.id for q in questions})
    open_ = [q for q in questions if q.id not in found or found[q.id].status in
             ("skipped", "failed")]  # fmt: skip
    done = len(questions) - len(open_)
    progress(done, len(questions))
    gate = asyncio.Semaphore(config.questions_at_once)
    silent = 0

    async def one(question: Question) -> None:
        nonlocal done, silent
        async with gate:
            try:
                record = (await ask(question, media_root, source, config)).record
            except UserError as error:
                record = ElectionRecord(
                    question_id=question.id, status="skipped", family=question.family,
                    skipped=f"{type(error).__name__}: {error}",
                )  # fmt: skip
            append_line(path, record)
            found[question.id] = record
            done += 1
            progress(done, len(questions))
            silent = silent + 1 if record.status == "failed" else 0
            if silent >= _GIVE_UP:
                raise UserError(
                    f"the model gave no response to {silent} questions in a row: "
                    f"{record.candidates[0].detail}; mend that and start again, what is done is "
                    f"kept in {path}"
                )

    try:
        async with asyncio.TaskGroup() as tasks:
            for question in open_:
                tasks.create_task(one(question))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    summary = summarise([found[q.id] for q in questions])
    write_atomic(folder / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
    return summary


def _claim(folder: Path, questions: Sequence[Question], config: ElectConfig) -> None:
    """Make the folder this run's, or make sure that it already is."""
    settings = config.model_dump(mode="json", exclude=_NOT_RESULTS)
    manifest = {"dataset_sha256": dataset_sha256(questions), "settings": settings}
    path = folder / "manifest.json"
    if not path.is_file():
        write_atomic(folder / "config.yaml", dump_config(config).encode())
        write_atomic(path, json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n")
        return
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({error}); give another folder") from error
    if known != manifest:
        what = "questions" if known.get("dataset_sha256") != manifest["dataset_sha256"] \
            else "settings"  # fmt: skip
        raise UserError(
            f"{folder} holds elections with other {what}; give another folder with --output"
        )


def _read(path: Path, wanted: set[str]) -> dict[str, ElectionRecord]:
    """Records by question, the last one of each; lines that are none (a torn one) are left out."""
    found: dict[str, ElectionRecord] = {}
    for line in read_lines(path)[0]:
        try:
            record = ElectionRecord.model_validate(line)
        except ValidationError:
            continue
        if record.question_id in wanted:
            found[record.question_id] = record
    return found
