"""One finding of a check, for ``ffr doctor`` and for the checks before step 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Group", "Status"]

Status = Literal["ok", "warning", "problem"]
Group = Literal["machine", "packages", "video", "training", "teacher", "data", "model", "run"]


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        group: what part of the system it is about.
        name: what was looked at.
        status: a ``problem`` stops a run before step 0, a ``warning`` is only recorded.
        found: the value, and what is allowed where that is not obvious.
        fix: what to change; empty when nothing is to be done.
    """

    group: Group
    name: str
    status: Status
    found: str
    fix: str = ""
