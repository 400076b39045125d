"""How often the teacher fails: what ``teacher.abort_failure_rate`` is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, NoPatch

__all__ = ["TeacherFailingError", "TeacherHealth"]

_NOT_ASKED = frozenset(
    {"teacher_off", "store_miss", "budget_spent", "empty_response", "no_annotation",
     "rejected"}
)
_MIN_DIAGNOSES = 20


class TeacherFailingError(UserError):
    """The teacher failed more often than ``teacher.abort_failure_rate`` allows."""


class TeacherHealth:
    """Counts outcomes of diagnoses.

    A trainer that gathers outcomes from several processes feeds them to one of these with
    ``record`` or ``add`` and calls ``check`` once a step.

    Args:
        abort_failure_rate: largest share of failures allowed once 20 diagnoses were made;
            ``None`` for no limit.
    """

    def __init__(self, abort_failure_rate: float | None = None) -> None:
        self.abort_failure_rate = abort_failure_rate
        self.patches = 0
        self.no_patch: Counter[str] = Counter()
        self._last_detail = ""

    def record(self, outcome: EvidencePatch | NoPatch) -> None:
        """Count one outcome."""
        if isinstance(outcome, NoPatch):
            self.no_patch[outcome.reason] += 1
            if outcome.reason not in _NOT_ASKED:
                self._last_detail = outcome.detail
        else:
            self.patches += 1

    def add(self, patches: int, no_patch: Mapping[str, int]) -> None:
        """Count outcomes that another process counted."""
        self.patches += patches
        self.no_patch.update(no_patch)

    @property
    def failures(self) -> int:
        """Diagnoses that asked the teacher (or found it down) and gave no patch, for any reason."""
        return sum(n for reason, n in self.no_patch.items() if reason not in _NOT_ASKED)

    @property
    def asked(self) -> int:
        """Diagnoses that asked the teacher or found it down."""
        return self.patches + self.failures

    @property
    def failure_rate(self) -> float:
        """Share of failures among ``asked``; 0 when nothing was asked."""
        return self.failures / self.asked if self.asked else 0.0

    @property
    def must_abort(self) -> bool:
        """Whether the limit is exceeded."""
        limit = self.abort_failure_rate
        return limit is not None and self.asked >= _MIN_DIAGNOSES and self.failure_rate > limit

    def check(self) -> None:
        """Raise when the limit is exceeded.

        Raises:
            TeacherFailingError: names the rate, the limit and the commonest reasons.
        """
        if self.must_abort:
            common = ", ".join(f"{reason} {n}" for reason, n in self.no_patch.most_common(3))
            last = f"; the last: {self._last_detail}" if self._last_detail else ""
            raise TeacherFailingError(
                f"the teacher failed in {self.failures} of {self.asked} diagnoses "
                f"({self.failure_rate:.0%}; {common}), more than teacher.abort_failure_rate="
                f"{self.abort_failure_rate:g}{last}; mend the teacher, raise the limit, or set it "
                "to null"
            )
