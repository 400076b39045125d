"""Gates of a component: what it is multiplied by (ours; the methods' own gates are among them)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ffr.config.rewards import GateName

__all__ = ["GateValues", "apply_gates"]


@dataclass(frozen=True)
class GateValues:
    """What the gates of one rollout are worth.

    Attributes:
        accuracy: in [0, 1].
        right: the verifier's verdict.
        format: 0 or 1.
        consistency: g, 0 or 1; ``None`` when unknown.
    """

    accuracy: float
    right: bool
    format: float
    consistency: float | None = None


def apply_gates(
    value: float | None, gates: Sequence[GateName], values: GateValues
) -> float | None:
    """The value times all gates; ``None`` when it, or a gate it needs, is unknown."""
    for name in gates:
        gate = getattr(values, name)
        if value is None or gate is None:
            return None
        value *= float(gate)
    return value
