"""What every command shares: the error boundary, JSON output, progress for people."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from ffr.errors import UserError

__all__ = ["AsJson", "print_json", "progress_bar", "run_app"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def run_app(app: typer.Typer, prog_name: str) -> NoReturn:
    """Run a command line to its end.

    A ``UserError`` or a wrong option becomes one line on standard error and exit code 2; Ctrl-C
    exit code 130. Everything else is a bug and keeps its traceback.
    """
    try:
        code = app(prog_name=prog_name, standalone_mode=False)
    except UserError as error:
        message = str(error)
    except TyperException as error:
        message = error.format_message()
        if not message:  # no arguments at all: the help has been printed
            sys.exit(2)
        context = getattr(error, "ctx", None)
        message += f" Try: {context.command_path if context else prog_name} --help"
    except Abort:
        sys.exit(130)
    else:
        sys.exit(code if isinstance(code, int) else 0)
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def print_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, driven by ``(done, total)``; silent when that is no terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
