"""Anti-repetition: how much of the reasoning says again what it said (spec rler §3.6)."""

from __future__ import annotations

__all__ = ["repetition"]


def repetition(text: str, n: int = 3) -> float:
    """``rho = 1 - distinct n-grams / n-grams`` of lower-cased white-space words, in [0, 1).

    0.0 for fewer than ``n`` words. The reward is ``-rho``.

    Raises:
        ValueError: ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n={n} is not allowed; give 1 or more words per n-gram")
    words = text.lower().split()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0
