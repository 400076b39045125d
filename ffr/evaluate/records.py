"""One line per evaluated question, and what they add up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["EvalRow", "Mode", "accuracy_by_family"]

Mode = Literal["plain", "patched"]


class EvalRow(BaseModel):
    """One question answered once.

    Attributes:
        mode: ``plain`` or ``patched`` (the same question with an evidence patch).
        skipped: why there is no answer; such rows count as wrong nowhere and are reported.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question_id: str
    family: str
    mode: Mode
    response: str | None = None
    answer: str | None = None
    right: bool | None = None
    well_formed: bool | None = None
    patch_id: str | None = None
    skipped: str | None = None


def accuracy_by_family(rows: Iterable[EvalRow], mode: str) -> dict[str, dict[str, float]]:
    """``{"all": {"accuracy", "n", "skipped"}, family: ...}`` for one mode; empty when none."""
    groups: dict[str, list[EvalRow]] = defaultdict(list)
    for row in rows:
        if row.mode == mode:
            groups["all"].append(row)
            groups[row.family or "none"].append(row)
    table = {}
    for name, members in sorted(groups.items()):
        answered = [row for row in members if row.right is not None]
        table[name] = {
            "accuracy": sum(bool(r.right) for r in answered) / len(answered) if answered else 0.0,
            "n": float(len(answered)),
            "skipped": float(len(members) - len(answered)),
        }
    return table
