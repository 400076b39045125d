"""``ffr cache review``: what people decide about patches, out as a sheet and back in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.shared import AsJson, print_json
from ffr.data.by_id import questions_by_id
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.patches.review import CorruptReviewError, Mark
from ffr.patches.review_sheet import apply_sheet, read_sheet, sheet_row, write_sheet
from ffr.patches.store import PatchStore
from ffr.patches.walk import all_records, need_store
from ffr.teacher.leakage.gate import check_patch

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Let people accept and reject patches.")

_ONLY = ("all", "unreviewed", "accepted", "rejected", "leaks")

Store = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the patch store.")]


@app.command("export")
def export(
    store: Store,
    sheet: Annotated[Path, typer.Argument(help="File to be written: .csv, or JSON lines.")],
    questions: Annotated[
        list[Path] | None,
        typer.Option(help="Question file, so that rows show them; may be repeated."),
    ] = None,
    only: Annotated[
        str, typer.Option(metavar="|".join(_ONLY), help="Which patches; leaks needs --questions.")
    ] = "all",
    sample: Annotated[
        int | None, typer.Option(min=1, help="As many, drawn at random.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    with_answers: Annotated[
        bool, typer.Option("--with-answers", help="Also write the gold answers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the patches of a store as a sheet with a column for the verdict."""
    if only not in _ONLY:
        raise UserError(f"--only={only} is not allowed; give one of {', '.join(_ONLY)}")
    if only == "leaks" and not questions:
        raise UserError("--only leaks needs the questions; name the file with --questions")
    found, known = need_store(store), questions_by_id(questions or [])
    rows = list(_rows(found, known, only, answers=with_answers))
    if sample is not None and sample < len(rows):
        kept = sorted(random.Random(seed).sample(range(len(rows)), sample))
        rows = [rows[i] for i in kept]
    written = write_sheet(sheet, rows)
    if as_json:
        print_json({"sheet": str(sheet), "patches": written})
    else:
        print(f"{sheet}: {written} patches; fill in verdict (accept or reject), then:")
        print(f"ffr cache review import {store} {sheet} --by YOUR_NAME")


@app.command("import")
def import_(
    store: Store,
    sheet: Annotated[Path, typer.Argument(help="A sheet with verdicts: .csv, or JSON lines.")],
    by: Annotated[str, typer.Option(help="Who decided, for rows that do not say.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the verdicts of a sheet into the store; rejected patches are not served any more."""
    report = apply_sheet(need_store(store), read_sheet(sheet), by=by, dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **vars(report)})
    else:
        for key in report.stale:
            print(f"not marked: the store holds another patch, or none, for request {key}")
        counts = report.marked
        verb = "would mark" if dry_run else "marked"
        print(
            f"{verb}: {counts['accept']} accepted, {counts['reject']} rejected, "
            f"{counts['clear']} cleared; {report.unchanged} as before, {report.blank} without a "
            f"verdict, {len(report.stale)} not found"
        )
    if report.stale:
        raise typer.Exit(1)


def _rows(
    store: PatchStore, questions: dict[str, Question], only: str, *, answers: bool
) -> Iterator[dict[str, str]]:
    for key, record in all_records(store):
        if record is None or record.patch is None:
            continue
        mark = _mark(store, key, record.patch.patch_id)
        question = questions.get(record.question_id)
        rules = () if question is None else check_patch(question, record.patch, "").rules
        state = "unreviewed" if mark is None else f"{mark.verdict}ed"
        if only in ("all", state) or (only == "leaks" and rules):
            yield sheet_row(
                key, record, record.patch, mark=mark, question=question, rules=rules,
                answer=answers,
            )  # fmt: skip


def _mark(store: PatchStore, key: str, patch_id: str) -> Mark | None:
    try:
        return store.reviews.verdict(key, patch_id)
    except CorruptReviewError:
        return None
