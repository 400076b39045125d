"""Frame-sensitive: does the answer name the frames it rests on (spec rler §3.4)."""

from __future__ import annotations

__all__ = ["frame_sensitive_score"]


def frame_sensitive_score(valid: int, invalid: int) -> float:
    """``s_fs = clip((|K| - E) / (1 + |K|), 0, 1)``.

    Args:
        valid: how many distinct frames are cited, ``|K|``.
        invalid: how many entries name no frame, ``E``.

    Raises:
        ValueError: a count is negative.
    """
    if valid < 0 or invalid < 0:
        raise ValueError(f"valid={valid}, invalid={invalid} are counts; give 0 or more")
    return min(1.0, max(0.0, (valid - invalid) / (1 + valid)))
