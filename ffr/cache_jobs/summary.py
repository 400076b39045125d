"""What a launch of a job ended with: ``summary.json`` for scripts, one table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ffr.cache_jobs.collect import Collection
from ffr.cache_jobs.estimate import Estimate
from ffr.cache_jobs.totals import Offender, Totals, clock_time
from ffr.cache_jobs.worklist import Worklist

__all__ = ["EXIT_CODES", "JobSummary", "Spend", "print_estimate", "print_job", "summarise"]

Status = Literal["ok", "incomplete", "stopped"]
EXIT_CODES: Mapping[Status, int] = {"ok": 0, "incomplete": 1, "stopped": 130}

_UNSETTLED = frozenset(
    {"timeout", "deadline", "provider_error", "circuit_open", "budget_spent", "worker_died",
     "error", "teacher_off", "store_miss"}
)  # fmt: skip
"""Outcomes after which the same command has something left to do."""


class Spend(BaseModel):
    """What was asked of the teacher; ``cost`` is ``None`` without prices."""

    model_config = ConfigDict(frozen=True)

    diagnoses: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tool_calls: int = 0
    cost: float | None = None


class JobSummary(BaseModel):
    """One launch.

    Attributes:
        status: ``ok``: the store answers every request of the job; ``incomplete``: the same
            command has something left to do, or a video cannot be read; ``stopped``: by a signal.
        read: what the sources held, by name (``failures``, ``duplicate``, ``right``, ...).
        requests: distinct failures; the sum of ``hits``, ``patches``, all ``failures`` and
            ``not_begun``.
        hits: requests the store held before.
        patches: made in this launch.
        failures: requests without a patch, by reason, stored ones included.
        not_begun: left for the next launch.
        offenders: the first few of each kind of failure, and of what the sources left out.
        launch: spent in this launch.
        job: spent in all launches, as far as the journals know: calls cut off by a kill are not
            in it.
    """

    model_config = ConfigDict(frozen=True)

    status: Status
    questions: int
    skipped_questions: int
    videos: int
    read: dict[str, int]
    requests: int
    hits: int
    patches: int
    failures: dict[str, int]
    not_begun: int
    offenders: dict[str, tuple[Offender, ...]]
    left_out: dict[str, tuple[str, ...]]
    launch: Spend
    job: Spend
    seconds: float
    per_minute: float
    store: str


def summarise(
    found: Collection,
    work: Worklist,
    totals: Totals,
    *,
    questions: int,
    skipped_questions: int,
    stopped: bool,
    job: Spend,
    store: str,
    seconds: float,
) -> JobSummary:
    """Add up a launch."""
    stored = {reason: n for reason, n in work.stored.items() if reason != "patch"}
    failures = dict(totals.failures)
    for reason, n in stored.items():
        failures[reason] = failures.get(reason, 0) + n
    if work.unreadable:
        failures["media_error"] = failures.get("media_error", 0) + len(work.unreadable)
    offenders = {reason: tuple(items) for reason, items in totals.offenders.items()}
    for result in work.unreadable[:3]:
        offenders["media_error"] = (
            *offenders.get("media_error", ()),
            Offender(question_id=result.question_id, video=result.video, detail=result.detail),
        )
    not_begun = work.pending - totals.done
    unsettled = any(totals.failures[reason] for reason in _UNSETTLED)
    open_ends = not_begun or unsettled or work.unreadable
    return JobSummary(
        status="stopped" if stopped else "incomplete" if open_ends else "ok",
        questions=questions,
        skipped_questions=skipped_questions,
        videos=work.videos,
        read=dict(found.counts),
        requests=work.total,
        hits=work.stored["patch"],
        patches=totals.patches,
        failures=dict(sorted(failures.items())),
        not_begun=not_begun,
        offenders=offenders,
        left_out={name: tuple(places) for name, places in found.offenders.items()},
        launch=launch_spend(totals),
        job=job,
        seconds=round(seconds, 3),
        per_minute=round(totals.per_minute, 3),
        store=store,
    )


def launch_spend(totals: Totals) -> Spend:
    """What one launch asked of the teacher."""
    counted = totals.counters
    return Spend(
        diagnoses=totals.live,
        calls=int(counted["calls"]),
        tokens_in=int(counted["tokens_in"]),
        tokens_out=int(counted["tokens_out"]),
        tool_calls=int(counted["tool_calls"]),
        cost=totals.cost,
    )


def print_job(summary: JobSummary, *, console: Console | None = None) -> None:
    """The table at the end, and the first offenders of every kind of failure."""
    console = console or Console(highlight=False)
    table = Table(title="Patches", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("questions", f"{summary.questions:,}")
    table.add_row("videos", f"{summary.videos:,}")
    for name, number in sorted(summary.read.items()):
        table.add_row(f"read: {name.replace('_', ' ')}", f"{number:,}")
    table.add_section()
    table.add_row("requests", f"{summary.requests:,}")
    table.add_row("in the store before", f"{summary.hits:,}")
    table.add_row("patches made", f"{summary.patches:,}")
    for reason, number in summary.failures.items():
        table.add_row(f"no patch: {reason.replace('_', ' ')}", f"{number:,}")
    if summary.not_begun:
        table.add_row("not begun", f"{summary.not_begun:,}")
    table.add_section()
    table.add_row("teacher calls", f"{summary.launch.calls:,} (all launches {summary.job.calls:,})")
    tokens, all_tokens = (s.tokens_in + s.tokens_out for s in (summary.launch, summary.job))
    table.add_row("tokens", f"{tokens:,} (all launches {all_tokens:,})")
    if summary.launch.cost is not None and summary.job.cost is not None:
        cost = f"{summary.launch.cost:.2f} (all launches {summary.job.cost:.2f})"
        table.add_row("cost", cost)
    console.print(table)
    for reason, offenders in summary.offenders.items():
        for offender in offenders:
            line = f"{reason}: {offender.question_id} ({offender.video}) {offender.detail}"
            console.print(escape(line), soft_wrap=True)
    for reason, places in summary.left_out.items():
        for place in places:
            console.print(escape(f"{reason}: {place}"), soft_wrap=True)
    ending = {
        "ok": "complete",
        "incomplete": "incomplete; the same command goes on",
        "stopped": "stopped; the same command goes on",
    }[summary.status]
    console.print(f"{ending}, after {clock_time(summary.seconds)}")
    console.print(f"store: {escape(summary.store)}", soft_wrap=True)


def print_estimate(
    work: Worklist, plan: Estimate, *, store: str, console: Console | None = None
) -> None:
    """What ``--dry-run`` shows."""
    console = console or Console(highlight=False)
    table = Table(title="Nothing was asked. This job would take", title_justify="left")
    for name in ("what", "expected", "at most"):
        table.add_column(name, justify="left" if name == "what" else "right")
    table.add_row("requests", f"{work.total:,}", "")
    table.add_row("in the store", f"{sum(work.stored.values()):,}", "")
    table.add_row("unreadable videos", f"{len(work.unreadable):,}", "")
    table.add_row("diagnoses to make", f"{plan.diagnoses:,}", f"{plan.diagnoses:,}")
    table.add_row("videos", f"{plan.videos:,}", "")
    table.add_section()
    rows = {
        "teacher calls": plan.calls,
        "frames decoded": plan.frames_decoded,
        "frames sent": plan.frames_sent,
        "tokens in": plan.tokens_in,
        "tokens out": plan.tokens_out,
    }
    for name, value in rows.items():
        table.add_row(name, f"{value.expected:,}", f"{value.at_most:,}")
    if plan.cost is not None:
        table.add_row("cost", f"{plan.cost[0]:,.2f}", f"{plan.cost[1]:,.2f}")
    else:
        table.add_row("cost", "unknown", "unknown")
    console.print(table)
    for note in plan.assumptions:
        console.print(f"- {escape(note)}", soft_wrap=True)
    if plan.cost is None:
        console.print("- cost: set teacher.price_input and teacher.price_output (a million tokens)")
    console.print(f"store: {escape(store)}", soft_wrap=True)
