"""What became of one rollout, in one letter: the report filters, colours and counts by it."""

from __future__ import annotations

from ffr.patches.patch import EvidencePatch
from ffr.repair.record import OutcomeRecord

__all__ = ["ERROR_TYPES", "OUTCOMES", "TEACHER_FAILURES", "error_mask", "outcome_letter"]

OUTCOMES = {
    "R": "right first",
    "F": "fixed",
    "N": "not fixed",
    "L": "leaked",
    "T": "teacher failed",
    "P": "no patch",
    "S": "wrong, not taken up",
}
"""Letter to name, in the order of the filters."""

TEACHER_FAILURES = frozenset(
    {
        "timeout", "deadline", "provider_error", "circuit_open", "invalid_output", "tool_failure",
        "blind_unknown", "media_error", "budget_spent",
    }
)  # fmt: skip
"""Reasons of ``NoPatch`` that say the teacher did not work; the others are decisions."""

ERROR_TYPES = ("temporal", "spatial", "misconception")
"""Bits of ``error_mask``, lowest first."""


def outcome_letter(outcome: OutcomeRecord) -> str:
    """One of ``OUTCOMES``."""
    if outcome.second is not None:
        return "F" if outcome.second.right else "N"
    if outcome.first.right:
        return "R"
    if outcome.diagnosis is None:
        return "S"
    reason = outcome.diagnosis.no_patch
    if reason == "leak":
        return "L"
    return "T" if reason in TEACHER_FAILURES else "P"


def error_mask(patch: EvidencePatch | None) -> int:
    """Error types of a patch as bits of ``ERROR_TYPES``."""
    named = patch.error_types if patch is not None else ()
    return sum(1 << i for i, name in enumerate(ERROR_TYPES) if name in named)
