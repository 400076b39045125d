"""Options and reports that the commands of ``ffr data`` share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ffr.data.bad_rows import RowPolicy
from ffr.errors import UserError

__all__ = ["MediaRoot", "OnBadRow", "Workers", "counts", "default_workers", "policy_of",
           "print_bad"]  # fmt: skip

OnBadRow = Annotated[
    str, typer.Option(metavar="fail|skip|'limit N'", help="What to do with rows that do not fit.")
]
MediaRoot = Annotated[
    Path | None,
    typer.Option(help="Folder the videos lie under; default: the file's own.", show_default=False),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that decode; default: one a core.", show_default=False),
]


def policy_of(word: str) -> RowPolicy:
    """The policy an option names.

    Raises:
        UserError: it names none.
    """
    try:
        return RowPolicy.parse(word)
    except UserError as error:
        raise UserError(
            f"--on-bad-row={word} is not allowed; give fail, skip, or 'limit N'"
        ) from error


def default_workers(workers: int | None) -> int:
    """One process a core this process may use."""
    return workers or len(os.sched_getaffinity(0))


def counts(counter: Mapping[str, int]) -> str:
    """``2 choice, 1 text``."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))


def print_bad(report: Mapping[str, Any]) -> None:
    """The first bad rows of each kind, how many of each there are, and where all of them are."""
    for row in report["first"]:
        name = f" (id {row['id']!r})" if row["id"] else ""
        print(f"line {row['line']}{name}: {row['reason']}")
    if report["total"]:
        where = f"; all of them: {report['record']}" if report["record"] else ""
        print(f"bad rows: {report['total']} ({counts(report['by_kind'])}){where}")
