"""What a reader must know before believing the numbers of a run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal

from ffr.report.outcomes import TEACHER_FAILURES
from ffr.report.source import Source
from ffr.report.tally import Tally
from ffr.run.totals import RepairTotals
from rewards.rler.gaming import gaming_warnings

__all__ = ["Notice", "notices"]

Level = Literal["bad", "warn", "fine"]
Notice = dict[str, str]
"""``level``, ``title``, ``text``."""

_FAILING = 0.05
_FLAT = 0.5
_CUT_OFF = 0.05
_MALFORMED = 0.1
_CITES = 0.2


def notices(source: Source, totals: RepairTotals, tally: Tally) -> list[Notice]:
    """Findings, the worst first; one ``fine`` when there is none."""
    found = [
        *_state(source), *_teacher(totals), *_leaks(totals), *_learning(tally),
        *_citations(source, tally), *_records(source),
    ]  # fmt: skip
    if not found:
        return [_notice("fine", "Nothing stands out", "No check of this report found a problem.")]
    return sorted(found, key=lambda notice: notice["level"] != "bad")


def _notice(level: Level, title: str, text: str) -> Notice:
    return {"level": level, "title": title, "text": text}


def _state(source: Source) -> Iterator[Notice]:
    if source.summary is None and source.is_run:
        yield _notice("warn", "Not finished", "No summary yet: the run goes on, or was killed.")
    elif source.summary is not None and source.summary.status != "ok":
        yield _notice(
            "bad", f"The run {source.summary.status}", "Its numbers are those up to that moment."
        )
    git = source.manifest.get("git")
    if isinstance(git, dict) and git.get("dirty"):
        yield _notice(
            "warn", "Changed code", "The working tree differed from its commit: the command below "
            "does not say everything.",
        )  # fmt: skip
    if source.folder.attempt > 1:
        yield _notice(
            "warn", "Resumed", f"{source.folder.attempt} launches; steps repeated after a resume "
            "count once.",
        )  # fmt: skip


def _teacher(totals: RepairTotals) -> Iterator[Notice]:
    failed = {r: n for r, n in totals.no_patch.items() if r in TEACHER_FAILURES}
    number = sum(failed.values())
    if totals.asked and number > _FAILING * totals.asked:
        kinds = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in failed.items())
        yield _notice(
            "bad", "The teacher fails", f"{number:,} of {totals.asked:,} failures taken up got no "
            f"patch because it did not work ({number / totals.asked:.0%}): {kinds}.",
        )  # fmt: skip
    if totals.second and totals.succeeded == 0:
        yield _notice(
            "bad", "No repair succeeds", f"None of {totals.second:,} second answers was right: "
            "look at some patches.",
        )  # fmt: skip


def _leaks(totals: RepairTotals) -> Iterator[Notice]:
    if totals.leak_rejected or totals.no_patch.get("leak"):
        lost = totals.no_patch.get("leak", 0)
        yield _notice(
            "warn", "Leaks refused", f"The gate refused {totals.leak_rejected:,} patches that said "
            f"too much; {lost:,} failures got none in the end. ffr leak check shows the rules.",
        )  # fmt: skip


def _learning(tally: Tally) -> Iterator[Notice]:
    if tally.baselines and tally.flat > _FLAT * tally.baselines:
        share = tally.flat / tally.baselines
        yield _notice(
            "warn", "Groups without a spread", f"In {share:.0%} of the groups all rewards are "
            "equal: they teach nothing. Other questions, or repair of such groups, help.",
        )  # fmt: skip
    if tally.answers and tally.cut_off > _CUT_OFF * tally.answers:
        share = tally.cut_off / tally.answers
        yield _notice(
            "warn", "Answers are cut off", f"{share:.0%} of all answers reach the token limit: "
            "raise student.max_response_tokens.",
        )  # fmt: skip
    if tally.answers and tally.malformed > _MALFORMED * tally.answers:
        share = tally.malformed / tally.answers
        yield _notice(
            "warn", "Malformed answers", f"{share:.0%} of all answers are not one think block and "
            "one answer block.",
        )  # fmt: skip


def _citations(source: Source, tally: Tally) -> Iterator[Notice]:
    if tally.answers and tally.cites_much > _CITES * tally.answers:
        yield _notice(
            "warn", "Citations gamed?", f"{tally.cites_much / tally.answers:.0%} of all answers "
            "cite more than half as many times as there are frames.",
        )  # fmt: skip
    for text in gaming_warnings(_late(source.metrics)):
        yield _notice("warn", "The reward is gamed?", f"{text[0].upper()}{text[1:]}.")


def _late(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Means of ``rler/...`` over the last quarter of the steps that have them."""
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for line in lines:
        for name, value in line.items():
            if name.startswith("rler/") and isinstance(value, int | float):
                columns[name].append(float(value))
    return {name: statistics.fmean(v[-max(1, len(v) // 4) :]) for name, v in columns.items()}


def _records(source: Source) -> Iterator[Notice]:
    if source.bad_lines:
        yield _notice(
            "warn", "Unreadable records", f"{source.bad_lines:,} lines of rollouts/ are no record "
            "and are left out.",
        )  # fmt: skip
    skipped = sum(event.get("event") == "bad_row" for event in source.events)
    if skipped:
        yield _notice(
            "warn", "Rows skipped", f"{skipped:,} rows of the data are bad and were left out; see "
            "events.jsonl.",
        )  # fmt: skip
    lost = sum(int(n) for line in source.metrics if isinstance(n := line.get("non_finite"), int))
    if lost:
        yield _notice(
            "bad", "Numbers that are none", f"{lost:,} metrics were NaN or infinite and are gaps "
            "in the curves.",
        )  # fmt: skip
