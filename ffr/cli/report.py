"""``ffr report``: a run as a page to look at, without a network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.errors import UserError

__all__ = ["report"]

Media = Literal["all", "patches", "none"]  # as in ffr.report.bundle, which takes long to import


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...|STORE",
            help="Folders that ffr-train, ffr elect or ffr eval made; several share their charts. "
            "Or a patch store, to look its patches over.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Default: report.html, or report/, in the first folder; for a store review.html, "
            "or review/, here.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Literal["auto", "file", "folder"],
        typer.Option(help="One file, or a page with its data beside it for large runs."),
    ] = "auto",
    media: Annotated[
        Media, typer.Option(help="Pictures of videos and patches, of patches only, or none.")
    ] = "all",
    media_root: Annotated[
        Path | None, typer.Option(help="Folder of the videos, if they were moved.")
    ] = None,
    media_mb: Annotated[
        float | None,
        typer.Option(min=0, help="Most megabytes of pictures; default 24 in a file, else all."),
    ] = None,
    questions: Annotated[
        list[Path] | None,
        typer.Option(help="Of a store: the questions its patches are for; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a report: summary, curves, every rollout with its frames, teacher, elections."""
    from ffr.report.build import build_report
    from ffr.report.store_source import is_store

    if len(runs) == 1 and is_store(runs[0]):
        _store_report(runs[0], output, questions or [], form, media, media_root, media_mb, as_json)
        return
    if questions:
        raise UserError("--questions is for a patch store; a run folder holds its questions")
    with progress_bar("steps") as progress:
        made = build_report(
            runs, output, form=form, media=media, media_root=media_root, media_mb=media_mb,
            progress=progress,
        )  # fmt: skip
    if as_json:
        print_json({**asdict(made), "page": str(made.page)})
        return
    print(
        f"{made.page}: {made.size / 1e6:.1f} MB, {made.rollouts:,} rollouts, {made.images:,} "
        "pictures; open it in a browser"
    )
    _tell_missing(made.without_pictures)


def _store_report(
    store: Path, output: Path | None, questions: list[Path],
    form: Literal["auto", "file", "folder"], media: Media, media_root: Path | None,
    media_mb: float | None, as_json: bool,
) -> None:
    from ffr.report.store_build import build_store_report

    with progress_bar("patches") as progress:
        made = build_store_report(
            store, output, questions=questions, form=form, media=media, media_root=media_root,
            media_mb=media_mb, progress=progress,
        )  # fmt: skip
    if as_json:
        print_json({**asdict(made), "page": str(made.page)})
        return
    print(
        f"{made.page}: {made.size / 1e6:.1f} MB, {made.patches:,} patches, {made.images:,} "
        "pictures; open it in a browser"
    )
    _tell_missing(made.without_pictures)


def _tell_missing(without_pictures: dict[str, int]) -> None:
    for reason, number in without_pictures.items():
        print(f"{number:,} videos are not shown: {reason}")
