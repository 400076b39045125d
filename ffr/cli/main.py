"""The root of the command line. Groups of commands are imported only when they are named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from ffr import __version__
from ffr.cli.compare import compare_command
from ffr.cli.doctor import doctor
from ffr.cli.evaluate import evaluate
from ffr.cli.export import export
from ffr.cli.report import report
from ffr.cli.shared import run_app
from ffr.cli.train import train
from ffr.cli.watch import watch

__all__ = ["build_app", "main", "train_main"]

_GROUPS = {
    "data": ("ffr.cli.data", "Make, convert and check data sets."),
    "tools": ("ffr.cli.tools", "Look at the teacher's tools, try them on a video, serve them."),
    "cache": ("ffr.cli.cache", "Make, check, share and tidy evidence patches."),
    "elect": ("ffr.cli.elect", "Elect an answer from several candidates; serve elected answers."),
    "launch": ("ffr.cli.launch", "Start a run on a machine, Ray, SLURM or SkyPilot."),
    "leak": ("ffr.cli.leak", "Check evidence patches for leaked answers."),
}


def build_app(words: Sequence[str]) -> typer.Typer:
    """The root application; of the groups only those named in ``words`` are imported."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Find, Fix, Reason: context repair of video reasoning models.",
    )
    app.callback()(_root)
    app.command("train")(train)
    for name, (module, help_text) in _GROUPS.items():
        # An empty group is enough for the list of commands.
        group = importlib.import_module(module).app if name in words else typer.Typer()
        app.add_typer(group, name=name, help=help_text)
    app.command("watch")(watch)
    app.command("report")(report)
    app.command("eval")(evaluate)
    app.command("compare")(compare_command)
    app.command("export")(export)
    app.command("doctor")(doctor)
    return app


def main() -> NoReturn:
    """Entry point of ``ffr``."""
    run_app(build_app(sys.argv[1:]), "ffr")


def train_main() -> NoReturn:
    """Entry point of ``ffr-train``, the same as ``ffr train``."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    run_app(app, "ffr-train")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
