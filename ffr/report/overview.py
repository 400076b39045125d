"""The summary of a run: what ran, on what, key numbers, and the command to run it again."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from ffr.report.notices import notices
from ffr.report.outcomes import OUTCOMES
from ffr.report.source import Source
from ffr.report.tally import Tally
from ffr.run.totals import RepairTotals

__all__ = ["overview"]


def overview(source: Source, totals: RepairTotals, tally: Tally) -> dict[str, Any]:
    """Plain data of the summary view."""
    summary = source.summary
    return {
        "status": summary.status if summary else ("running" if source.is_run else ""),
        "seconds": summary.seconds if summary else None,
        "stages": {n: s.model_dump() for n, s in summary.stages.items()} if summary else {},
        "facts": _facts(source),
        "numbers": _numbers(totals, tally) if tally.groups else [],
        "outcomes": {f: dict(c) for f, c in sorted(tally.outcomes.items())},
        "letters": OUTCOMES,
        "accuracy": _accuracy(source),
        "notices": notices(source, totals, tally),
        "command": _command(source),
        "versions": _texts(source.manifest.get("versions")),
        "hashes": _texts(source.manifest.get("hashes")),
    }


def _facts(source: Source) -> list[tuple[str, str]]:
    get = source.setting
    tiny = get("student.tiny.family")
    frames = source.frames
    size = ""
    if frames is not None:
        height_width = frames.exact_size
        size = (
            f"{frames.count} of {height_width[1]} x {height_width[0]} pixels" if height_width
            else f"{frames.count} of at most {frames.max_pixels:,} pixels"
        )  # fmt: skip
    kind = get("teacher.kind")
    teacher = {"none": "none", "demo": "scripted observer (demo)"}.get(str(kind))
    git = source.manifest.get("git")
    rows = [
        ("run", source.manifest.get("name") or source.name),
        ("stages", " · ".join(map(str, get("stages") or []))),
        ("student", get("student.path") or (f"tiny {tiny}" if tiny else "")),
        ("frames", size),
        ("teacher", teacher or (f"{get('teacher.model')} ({kind})" if kind else "")),
        ("training data", get("data.train") or _demo(source)),
        ("test data", get("data.test") or _demo(source)),
        ("questions x rollouts a step", _times(source)),
        ("repair", _repair(source)),
        ("advantage", get("advantage.groups")),
        ("learning rate", get("grpo.lr")),
        ("seed", source.manifest.get("seeds", {}).get("run") if source.manifest else get("seed")),
        ("platform", source.manifest.get("platform")),
        ("commit", str(git.get("commit"))[:12] if isinstance(git, dict) else None),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


def _demo(source: Source) -> str:
    return "demo world" if source.setting("data.demo") else ""


def _times(source: Source) -> str:
    questions, size = source.setting("grpo.questions_per_step"), source.setting("grpo.group_size")
    return f"{questions} x {size}" if questions and size else ""


def _repair(source: Source) -> str:
    if source.setting("teacher.kind") in (None, "none"):
        return ""
    most = source.setting("repair.max_per_question")
    return f"when {source.setting('repair.when')}, at most {most or 'all'} a question"


def _numbers(totals: RepairTotals, tally: Tally) -> list[dict[str, Any]]:
    outcomes: Counter[str] = sum(tally.outcomes.values(), Counter())
    return [
        {"name": "first answers", "value": totals.rollouts},
        {"name": "of them wrong", "value": totals.failed, "of": totals.rollouts},
        {"name": "taken up", "value": totals.asked, "of": totals.failed},
        {"name": "patches shown", "value": totals.patches, "of": totals.asked},
        {"name": "fixed", "value": outcomes["F"], "of": totals.second},
        {"name": "teacher calls", "value": totals.teacher_calls},
        {"name": "read from the store", "value": totals.store_hits},
        {"name": "leaks refused", "value": totals.leak_rejected},
    ]


def _accuracy(source: Source) -> list[dict[str, Any]]:
    if source.summary is None:
        return []
    accuracy = source.summary.accuracy
    rows = [*sorted(accuracy.by_family.items()), ("all", accuracy)]
    columns = ("n", "before", "after", "patched_before", "patched_after")
    found = [{"family": name, **{c: getattr(row, c) for c in columns}} for name, row in rows]
    return found if any(row[c] is not None for row in found for c in columns[1:]) else []


def _command(source: Source) -> list[str]:
    """Lines for a shell, from where the report was made."""
    if not source.is_run:
        return []
    git = source.manifest.get("git")
    lines = [f"git checkout {git['commit']}"] if isinstance(git, dict) and git.get("commit") else []
    # An absolute path would tell whoever gets the report about somebody's disk.
    folder = Path(source.path.name) if source.given.is_absolute() else source.given
    config = shlex.quote(str(folder / "config.yaml"))
    return [*lines, f"ffr-train {config} --output runs/again --resume never"]


def _texts(tree: Any) -> dict[str, str]:
    if not isinstance(tree, dict):
        return {}
    found: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= {f"{name} {inner}": str(deep) for inner, deep in value.items()}
        elif value is not None:
            found[str(name)] = str(value)
    return found
