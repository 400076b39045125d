"""Think-transparency: one hump over the length of the reasoning (spec rler §3.5)."""

from __future__ import annotations

import math

__all__ = ["transparency"]


def transparency(length: float, low: float = 0.0, high: float = 768.0) -> float:
    """``tau = sin^2(pi * L)`` with ``L = clip((length - low) / (high - low), 0, 1)``.

    Args:
        length: of the reasoning, in the unit ``low`` and ``high`` are given in.
        low: length up to which the value is 0.
        high: length from which it is 0 again; the hump lies half-way between the two.

    Raises:
        ValueError: ``low`` is not below ``high``.
    """
    if not low < high:
        raise ValueError(f"low={low} must be below high={high}")
    share = min(1.0, max(0.0, (length - low) / (high - low)))
    # sin(pi) is not exactly 0 in floats; the end of the hump is.
    return 0.0 if share == 1.0 else math.sin(math.pi * share) ** 2
