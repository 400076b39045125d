"""Metrics by step as columns, and which of them belong into one chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ffr.report.tally import Tally

__all__ = ["PANELS", "curve_data", "panels_of"]

PANELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Accuracy in training", "grpo", ("accuracy/first_pass", "accuracy/second_pass")),
    ("First answers right, by family", "grpo", ("family/*",)),
    ("Reward terms", "grpo", ("reward/total/mean", "reward/*/mean")),
    ("Reward components", "grpo", ("component/*/mean",)),
    ("Repair: wrong, taken up, shown, succeeded", "grpo",
     ("repair/failed", "repair/asked", "repair/patches", "repair/succeeded")),
    ("Repair rates", "grpo",
     ("repair/success_rate", "repair/patch_rate", "repair/intervention_ratio")),
    ("Teacher calls and store", "grpo", ("repair/teacher_calls", "store/hits", "store/misses")),
    ("Store hit rate", "grpo", ("store/hit_rate",)),
    ("Latency of a diagnosis, seconds", "grpo", ("time/diagnosis/mean", "time/diagnosis/max")),
    ("No patch, by reason", "grpo", ("repair/no_patch/*", "repair/leak_rejected")),
    ("Advantage by category", "grpo", ("advantage/*/mean",)),
    ("KL", "grpo", ("actor/ppo_kl", "actor/kl_loss", "critic/kl", "*/kl", "*reward_kl*")),
    ("Policy: loss, entropy, gradient", "grpo",
     ("actor/pg_loss", "actor/entropy", "actor/grad_norm")),
    ("Answer length, tokens", "grpo", ("response_length/mean", "response_length/max")),
    ("Answers cut off", "grpo", ("generated/truncated_rate",)),
    ("Seconds of a step, by phase", "grpo", ("timing_s/*",)),
    ("Groups without a spread", "grpo", ("reward/total/zero_variance_groups",)),
    ("Tokens trained", "grpo", ("trained/*",)),
    ("Citations and shape", "grpo", ("rler/*",)),
    ("Consistency", "grpo", ("consistency/rate",)),
    ("Validation", "grpo", ("val-*", "val/*", "validation/*")),
    ("SFT: loss", "sft", ("loss",)),
    ("SFT: gradient", "sft", ("grad_norm",)),
    ("SFT: seconds of a step", "sft", ("seconds",)),
)
"""(title, stage, patterns in order): ``panels_of`` leaves out what a run does not have."""

_NOT_METRICS = {"stage", "step", "time", "event", "non_finite"}
_MOST_POINTS = 2000
_MOST_LINES = 12


def curve_data(lines: Iterable[Mapping[str, Any]], tally: Tally) -> dict[str, dict[str, Any]]:
    """``{stage: {"steps": [...], "values": {metric: [...]}}}``; the last line of a step counts.

    Adds ``family/NAME``, share of right first answers, and ``store/hit_rate``. Of long runs every
    k-th step is kept.
    """
    stages: dict[str, dict[int, dict[str, float]]] = {}
    for line in lines:
        step = line.get("step")
        if not isinstance(step, int):
            continue
        row = stages.setdefault(str(line.get("stage", "run")), {}).setdefault(step, {})
        for name, value in line.items():
            if name not in _NOT_METRICS and isinstance(value, int | float):
                row[name] = float(value)
    for family, steps in tally.by_step.items():
        for step, (right, number) in steps.items():
            if number:
                row = stages.setdefault("grpo", {}).setdefault(step, {})
                row[f"family/{family}"] = right / number
    for row in stages.get("grpo", {}).values():
        asked = row.get("store/hits", 0.0) + row.get("store/misses", 0.0)
        if asked:
            row["store/hit_rate"] = row.get("store/hits", 0.0) / asked
    return {stage: _columns(rows) for stage, rows in sorted(stages.items())}


def panels_of(runs: Iterable[Mapping[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The charts that some run has values for: ``{"title", "stage", "metrics"}``."""
    every = list(runs)
    found = []
    for title, stage, patterns in PANELS:
        known = {name for run in every for name in run.get(stage, {}).get("values", {})}
        metrics = [
            name
            for pattern in patterns
            for name in sorted(known)
            if fnmatchcase(name, pattern)
        ]  # fmt: skip
        if metrics:
            unique = list(dict.fromkeys(metrics))
            found.append({"title": title, "stage": stage, "metrics": unique[:_MOST_LINES]})
    return found


def _columns(rows: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    steps = sorted(rows)
    stride = -(-len(steps) // _MOST_POINTS)
    steps = steps[::stride] if stride > 1 else steps
    names = sorted({name for step in steps for name in rows[step]})
    return {
        "steps": steps,
        "values": {name: [_short(rows[step].get(name)) for step in steps] for name in names},
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
