"""What goes wrong in a run right now: rules over its last steps and its events."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ffr.run.pace import duration
from ffr.watch.groups import clean
from rewards.rler.gaming import gaming_warnings

__all__ = ["Alert", "alerts"]

_WINDOW = 10
_FAILING = 0.05
_FLAT = 0.5
_CUT_OFF = 0.05
_LONGEST = 300
_NOT_THE_TEACHERS = frozenset(
    {"teacher_off", "store_miss", "budget_spent", "empty_response", "no_annotation", "leak",
     "blind_unknown", "rejected"}
)  # fmt: skip
_NO_PATCH = "repair/no_patch/"


@dataclass(frozen=True)
class Alert:
    """``kind`` stays the same while the numbers in ``text`` change."""

    level: Literal["bad", "warn"]
    kind: str
    text: str


def alerts(
    lines: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], silent: float | None
) -> list[Alert]:
    """Findings, the worst first.

    Args:
        lines: metrics of GRPO steps, oldest first; the last ten are judged.
        events: everything in ``events.jsonl``.
        silent: seconds without any news, when that is unusually long.
    """
    last = lines[-_WINDOW:]
    found = [*_silence(silent), *_teacher(last), *_leaks(last), *_learning(last), *_gaming(last),
             *_numbers(lines), *_events(events)]  # fmt: skip
    return sorted(found, key=lambda alert: alert.level != "bad")


def _silence(silent: float | None) -> Iterator[Alert]:
    if silent is not None:
        yield Alert("warn", "silent", f"no news for {duration(silent)}; see the logs folder")


def _teacher(lines: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    asked = _sum(lines, "repair/asked")
    reasons: Counter[str] = Counter()
    for line in lines:
        for key, value in line.items():
            reason = key.removeprefix(_NO_PATCH)
            if key.startswith(_NO_PATCH) and reason not in _NOT_THE_TEACHERS:
                reasons[clean(reason)] += int(_number(value))
    failed = sum(reasons.values())
    if asked and failed > _FAILING * asked:
        kinds = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common(3))
        yield Alert("bad", "teacher", f"the teacher failed in {failed / asked:.0%} of "
                    f"{asked:.0f} diagnoses ({kinds})")  # fmt: skip
    answers = _sum(lines, "repair/patches")
    if answers >= 20 and _sum(lines, "repair/succeeded") == 0:
        yield Alert("warn", "no_repair", f"none of {answers:.0f} patches led to a right answer")


def _leaks(lines: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    refused = _sum(lines, "repair/leak_rejected")
    lost = _sum(lines, f"{_NO_PATCH}leak")
    if refused or lost:
        yield Alert("warn", "leaks", f"{max(refused, lost):.0f} patches refused as leaks, "
                    f"{lost:.0f} failures left without a patch")  # fmt: skip


def _learning(lines: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    groups = _sum(lines, "advantage/groups")
    flat = _sum(lines, "reward/total/zero_variance_groups")
    if groups and flat > _FLAT * groups:
        yield Alert("warn", "flat", f"{flat / groups:.0%} of the groups have equal rewards only: "
                    "they teach nothing")  # fmt: skip
    cut = _mean(lines, "generated/truncated_rate")
    if cut is not None and cut > _CUT_OFF:
        yield Alert("warn", "cut_off", f"{cut:.0%} of the answers are cut off; raise "
                    "student.max_response_tokens")  # fmt: skip


def _gaming(lines: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    names = sorted({name for line in lines for name in line if name.startswith("rler/")})
    means = {name: mean for name in names if (mean := _mean(lines, name)) is not None}
    for text in gaming_warnings(means):
        yield Alert("warn", f"gaming:{text.rpartition(':')[2]}", text)


def _numbers(lines: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    lost = _sum(lines, "non_finite")
    if lost:
        yield Alert("bad", "non_finite", f"{lost:.0f} metrics were NaN or infinite")


def _events(events: Sequence[Mapping[str, Any]]) -> Iterator[Alert]:
    kinds = Counter(str(event.get("event")) for event in events)
    for kind, what in (("bad_row", "rows of the data are bad and left out"),
                       ("group_skipped", "questions could not be used and were skipped"),
                       ("logger_failed", "loggers failed")):  # fmt: skip
        if kinds[kind]:
            yield Alert("warn", kind, f"{kinds[kind]} {what}; see events.jsonl")
    for event in [e for e in events if e.get("event") == "warning"][-3:]:
        text = clean(str(event.get("text")), _LONGEST)
        yield Alert("warn", f"event:{text.rpartition(':')[2]}", text)


def _values(lines: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [float(v) for line in lines if isinstance(v := line.get(key), int | float)]


def _sum(lines: Sequence[Mapping[str, Any]], key: str) -> float:
    return math.fsum(_values(lines, key))


def _mean(lines: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = _values(lines, key)
    return math.fsum(values) / len(values) if values else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
