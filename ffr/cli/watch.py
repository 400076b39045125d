"""``ffr watch``: a run in the terminal, while it happens or afterwards."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.shared import AsJson, print_json

__all__ = ["watch"]


def watch(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of the run.")],
    once: Annotated[bool, typer.Option("--once", help="Show the present state and end.")] = False,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks at the folder.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Show stage, phase, rate, time left, metrics and warnings; ends when the run ends.

    Reads the run folder only, so it works on any machine that sees it. Without a terminal it
    prints a line per step. Exit code 1 when the run was stopped, failed or vanished.
    """
    from rich.console import Console

    from ffr.run.folder import RunFolder
    from ffr.watch.follow import follow_json, follow_lines, follow_screen
    from ffr.watch.plain import snapshot, snapshot_text
    from ffr.watch.state import RunWatch
    from ffr.watch.view import page

    run = RunWatch(RunFolder.open(run_dir))
    console = Console()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode gets "?"
    if once:
        run.refresh()
        if as_json:
            print_json(snapshot(run))
        elif console.is_terminal:
            console.print(page(run))
        else:
            print(snapshot_text(run))
        return
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        if as_json:
            follow_json(run, every)
        elif console.is_terminal:
            follow_screen(run, console, every)
        else:
            follow_lines(run, every)
        raise typer.Exit(0 if run.status == "ok" else 1)
    raise typer.Exit(130)
