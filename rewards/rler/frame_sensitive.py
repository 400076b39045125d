"""Frame-sensitive: does the answer name the frames it rests on (spec rler §3.4)."""

from __future__ import annotations

from ffr.config.rler import RlerRewardConfig

__all__ = ["frame_sensitive_reward", "frame_sensitive_score"]


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


def frame_sensitive_reward(
    accuracy: float, format_reward: float, score: float, config: RlerRewardConfig
) -> float:
    """``score`` behind its gate: citations earn something only with a right, well-formed answer."""
    if config.gate == "indicator":
        return score * float(accuracy >= config.gate_threshold and format_reward > 0)
    return accuracy * format_reward * score
