"""A run as a page of a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ffr.run.pace import duration
from ffr.watch.alerts import Alert
from ffr.watch.groups import clean
from ffr.watch.metrics import SHOWN, spark, written
from ffr.watch.state import RunWatch, StageState

__all__ = ["page"]

_STYLES = {"running": "cyan", "ok": "green", "starting": "cyan", "stopped": "yellow",
           "failed": "red", "gone": "red"}  # fmt: skip
_WORDS = {"gone": "its process is gone, without a summary"}


def page(run: RunWatch, *, now: float | None = None, groups: int = 8) -> RenderableType:
    """Everything there is to see; texts of models and data are never read as markup.

    Args:
        run: refreshed.
        now: the present in Unix time.
        groups: most lines of the tail of groups.
    """
    parts: list[RenderableType] = [_head(run, now), _stages(run)]
    parts += [_metrics(stage) for stage in run.shown if stage.lines]
    if run.accuracy:
        pairs = (f"{name.replace('_', ' ')} {value:.3f}" for name, value in run.accuracy.items())
        parts.append(Text("accuracy on the test split: " + ", ".join(pairs), style="bold"))
    found = run.alerts(now)
    if found:
        parts.append(_alerts(found))
    if run.groups and groups > 0:
        parts.append(_groups(run, groups))
    return Group(*parts)


def _head(run: RunWatch, now: float | None) -> RenderableType:
    style = _STYLES[run.status]
    line = Text(clean(run.name), style="bold")
    line.append(f"  {_WORDS.get(run.status, run.status)}", style=style)
    if run.phase:
        stage = run.stage
        line.append(f"  {clean(stage.name)}: {run.phase}" if stage else f"  {run.phase}")
    line.append(f"  {duration(run.seconds)}", style="dim")
    left = run.left(now)
    if left is not None:
        line.append(f"  {duration(left)} left in this stage", style="bold")
    return Panel(line, subtitle=Text(str(run.folder.path), style="dim"), border_style=style)


def _stages(run: RunWatch) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for stage in run.stages.values():
        done = stage.total if stage.done else stage.finished
        each = stage.pace.seconds_per_step
        unit = "question" if stage.name == "eval" else "step"
        total = str(stage.total) if stage.total else "?"
        table.add_row(
            Text(clean(stage.name), style="bold"),
            ProgressBar(total=stage.total or 1, completed=done, width=32),
            f"{done}/{total}",
            "done" if stage.done else "" if each is None else f"{each:.2g} s/{unit}",
        )
    return table


def _metrics(stage: StageState) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for shown in SHOWN.get(stage.name, ()):
        values = stage.series(shown.key)
        if values:
            table.add_row(
                shown.label, Text(written(values[-1], shown.form), justify="right"),
                Text(spark(stage, shown), style="cyan"),
            )  # fmt: skip
    return table


def _alerts(found: list[Alert]) -> RenderableType:
    lines = Text()
    for alert in found:
        style = "red" if alert.level == "bad" else "yellow"
        lines.append("! " if alert.level == "bad" else "- ", style=f"bold {style}")
        lines.append(alert.text + "\n", style=style)
    lines.rstrip()
    return Panel(lines, title="look at this", title_align="left", border_style="yellow")


def _groups(run: RunWatch, most: int) -> RenderableType:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("step", "question", "family", "what happened", "took"):
        table.add_column(title, overflow="ellipsis", no_wrap=True)
    for line in list(run.groups)[-most:]:
        table.add_row(str(line.step), Text(line.question_id), Text(line.family),
                      Text(line.outcome), f"{line.seconds:.1f} s")  # fmt: skip
    return table
