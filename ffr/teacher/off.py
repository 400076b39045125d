"""No teacher at all: plain GRPO."""

from __future__ import annotations

from ffr.patches.patch import NoPatch
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.health import TeacherHealth

__all__ = ["TeacherOff"]


class TeacherOff:
    """Answers every failure with ``teacher_off``."""

    def __init__(self) -> None:
        self.health = TeacherHealth()

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:  # noqa: ARG002 - protocol
        """Nothing is asked."""
        return Diagnosis(NoPatch(reason="teacher_off"), "none")

    async def aclose(self) -> None:
        """Nothing to close."""
