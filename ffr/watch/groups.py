"""One line about one finished group, for the tail of a live view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ffr.repair.record import GroupRecord

__all__ = ["GroupLine", "clean", "group_line"]


@dataclass(frozen=True)
class GroupLine:
    """What happened to one question in one step.

    Attributes:
        right: first answers that were right, of ``size``.
        asked: failures that were taken up.
        patched: of those, how many got a patch.
        repaired: right second answers.
        no_patch: reason to number.
        seconds: from the first answer's start to the last answer's end.
    """

    step: int
    question_id: str
    family: str
    right: int
    size: int
    asked: int
    patched: int
    repaired: int
    no_patch: dict[str, int]
    seconds: float

    @property
    def outcome(self) -> str:
        """``3/8 right, 4 of 5 patched, 2 repaired; leak 1``."""
        parts = [f"{self.right}/{self.size} right"]
        if self.asked:
            parts.append(f"{self.patched} of {self.asked} patched, {self.repaired} repaired")
        text = ", ".join(parts)
        if self.no_patch:
            text += "; " + ", ".join(f"{reason} {n}" for reason, n in self.no_patch.items())
        return text


def group_line(record: GroupRecord) -> GroupLine:
    """The line of a record; texts of the data set come out printable."""
    diagnoses = [o.diagnosis for o in record.outcomes if o.diagnosis is not None]
    reasons = Counter(d.no_patch for d in diagnoses if d.no_patch is not None)
    return GroupLine(
        step=record.step or 0,
        question_id=clean(record.question_id),
        family=clean(record.family),
        right=sum(o.first.right for o in record.outcomes),
        size=len(record.outcomes),
        asked=len(diagnoses),
        patched=sum(d.no_patch is None for d in diagnoses),
        repaired=sum(o.second is not None and o.second.right for o in record.outcomes),
        no_patch={clean(reason): n for reason, n in sorted(reasons.items())},
        seconds=record.timings.total,
    )


def clean(text: str, longest: int = 60) -> str:
    """One printable line: a control sequence in a data set must not steer anybody's terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
