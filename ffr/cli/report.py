"""``ffr report``: a run as a page to look at, without a network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ffr.cli.shared import AsJson, print_json, progress_bar

__all__ = ["report"]

Media = Literal["all", "patches", "none"]  # as in ffr.report.bundle, which takes long to import


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...",
            help="Run folders, or folders that ffr elect made; the curves of several share charts.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help="Default: report.html, or report/, in the first folder.")
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
    as_json: AsJson = False,
) -> None:
    """Write a report: summary, curves, every rollout with its frames, teacher, elections."""
    from ffr.report.build import build_report

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
    for reason, number in made.without_pictures.items():
        print(f"{number:,} videos are not shown: {reason}")
