"""The short table people see at the end of a run."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.table import Table

from ffr.run.folder import RunFolder
from ffr.run.summary import FamilyAccuracy, Summary

__all__ = ["print_summary"]

_DASH = "–"
_COLUMNS = {
    "before_sft": "before SFT", "before": "before", "after": "after",
    "patched_before": "before, with patch", "patched_after": "after, with patch",
}


def print_summary(
    summary: Summary, folder: RunFolder, *, console: Console | None = None
) -> None:
    """Print accuracy by family, what repair did, what was trained, and where everything lies.

    Args:
        summary: of this run.
        folder: the run folder; its path and how to look at it close the output.
        console: where to print; default standard output, plain when it is no terminal.
    """
    console = console or Console(highlight=False)
    accuracy = summary.accuracy
    if any(value is not None for value in _columns(accuracy)):
        console.print(_accuracy_table(summary))
    if summary.measures:
        console.print(_measures_table(summary))
    if summary.repair.rollouts:
        console.print(_training_table(summary))
    stages = " · ".join(f"{name} {stage.seconds:.0f} s" for name, stage in summary.stages.items())
    console.print(f"{summary.status} after {_duration(summary.seconds)}" + (
        f" ({stages})" if stages else ""
    ))
    console.print(f"run folder: {folder.path}", soft_wrap=True)
    console.print(f"to look at it: ffr report {shlex.quote(str(folder.path))}", soft_wrap=True)


def _accuracy_table(summary: Summary) -> Table:
    table = Table(title="Accuracy on the test split, greedy", title_justify="left")
    table.add_column("questions")
    table.add_column("n", justify="right")
    shown = _shown(summary)
    for name in shown:
        table.add_column(_COLUMNS[name], justify="right")
    for family, values in sorted(summary.accuracy.by_family.items()):
        table.add_row(family, str(values.n), *_cells(values, shown))
    table.add_section()
    table.add_row("all", str(summary.accuracy.n), *_cells(summary.accuracy, shown))
    if summary.accuracy.skipped:
        table.caption = f"{summary.accuracy.skipped} evaluations skipped (see eval/)"
    return table


def _measures_table(summary: Summary) -> Table:
    table = Table(title="Other measures on the test split", title_justify="left")
    table.add_column("measure", no_wrap=True)
    shown = _shown(summary)
    for name in shown:
        table.add_column(_COLUMNS[name], justify="right")
    for measure, values in sorted(summary.measures.items()):
        table.add_row(measure, *(_cell(values.get(name)) for name in shown))
    return table


def _shown(summary: Summary) -> list[str]:
    """The columns of evaluations that were made; before and after always."""
    accuracy = summary.accuracy
    return [n for n in _COLUMNS if n in ("before", "after") or getattr(accuracy, n) is not None]


def _training_table(summary: Summary) -> Table:
    repair, trained = summary.repair, summary.trained
    table = Table(title="Training", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("first answers", _number(repair.rollouts))
    table.add_row("of them wrong", _of(repair.failed, repair.rollouts))
    table.add_row("teacher calls", _number(repair.teacher_calls))
    table.add_row("patches read from the store", _number(summary.store.hits))
    table.add_row("patches shown to the student", _number(repair.patches))
    table.add_row("second answers right", _of(repair.succeeded, repair.patches))
    table.add_row("patches refused as leaks", _number(repair.leak_rejected))
    for reason, count in repair.no_patch.items():
        table.add_row(f"no patch: {reason.replace('_', ' ')}", _number(count))
    table.add_section()
    table.add_row("tokens trained, first answers", _number(trained.original_tokens))
    table.add_row("tokens trained, repaired answers", _number(trained.repaired_tokens))
    table.add_row("answers generated", _number(summary.generated_sequences))
    if summary.tools:
        table.add_section()
    for name, tool in summary.tools.items():
        failures = f", {tool.failures} failed" if tool.failures else ""
        table.add_row(f"tool {name}", f"{_number(tool.calls)} calls{failures}")
    return table


def _columns(values: FamilyAccuracy) -> tuple[float | None, ...]:
    return tuple(getattr(values, name) for name in _COLUMNS)


def _cells(values: FamilyAccuracy, shown: list[str]) -> list[str]:
    return [_cell(getattr(values, name)) for name in shown]


def _cell(value: float | None) -> str:
    return _DASH if value is None else f"{value:.3f}"


def _number(value: int) -> str:
    return f"{value:,}"


def _of(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.0%})" if whole else f"{part:,}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
