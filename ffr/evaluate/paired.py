"""Paired statistics of two evaluations of the same items.

Items about one video are not independent: intervals resample videos, and the permutation test
swaps the two models for whole videos.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from rewards.video_r2.resampling import merged, ratio

__all__ = ["Difference", "McNemar", "Permutation", "difference", "holm", "mcnemar", "permutation"]

_EXACT_UP_TO = 14  # 16,384 sign patterns
_FLIPS = 20_000
_CHUNK_CELLS = 4_000_000


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(_Result):
    """Mean of ``other - base`` over items with its 95 % interval (videos resampled)."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0


class McNemar(_Result):
    """Exact two-sided test on the items only one of the two got right.

    Attributes:
        only_base, only_other: how many of them each got right.
        p: under independence of items; see ``Permutation`` where videos are shared.
    """

    only_base: int
    only_other: int
    p: float


class Permutation(_Result):
    """Two-sided sign-flip test of a mean difference, whole videos flipped.

    Attributes:
        p: of a difference at least this large when the two are interchangeable.
        method: ``exact`` (all patterns) or ``monte_carlo``.
        videos: videos with any difference, which are all that count.
    """

    p: float
    method: str
    videos: int


def difference(
    base: Sequence[float], other: Sequence[float], videos: Sequence[str], *, seed: int = 0
) -> Difference:
    """Mean difference per item.

    Args:
        base: values of the first model, one an item.
        other: of the second, the same items in the same order.
        videos: the video each item is about.
        seed: of the bootstrap.
    """
    pairs = [(float(b) - float(a), 1.0) for a, b in zip(base, other, strict=True)]
    found = ratio(merged(pairs, videos), seed=seed)
    return Difference(value=found.value, low=found.low, high=found.high, n=len(pairs))


def mcnemar(base: Sequence[bool], other: Sequence[bool]) -> McNemar:
    """McNemar's exact test: a binomial test of the discordant items."""
    pairs = list(zip(base, other, strict=True))
    only_base = sum(a and not b for a, b in pairs)
    only_other = sum(b and not a for a, b in pairs)
    n, fewer = only_base + only_other, min(only_base, only_other)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    # Whole numbers to the last step: 2**n overflows a float from 1,024 discordant items on.
    return McNemar(only_base=only_base, only_other=only_other, p=min(1.0, 2 * tail / 2**n))


def permutation(
    base: Sequence[float], other: Sequence[float], videos: Sequence[str], *, seed: int = 0
) -> Permutation:
    """Sign-flip test; exact for few videos, else 20,000 random patterns.

    Args:
        base: values of the first model, one an item.
        other: of the second.
        videos: the video each item is about.
        seed: of the random patterns.
    """
    pairs = [(float(b) - float(a), 1.0) for a, b in zip(base, other, strict=True)]
    sums = np.array([total for total, _ in merged(pairs, videos) if total != 0.0])
    if not len(sums):
        return Permutation(p=1.0, method="exact", videos=0)
    seen = abs(float(sums.sum())) * (1 - 1e-12) - 1e-12
    if len(sums) <= _EXACT_UP_TO:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(sums))))
        share = float((np.abs(signs @ sums) >= seen).mean())
        return Permutation(p=share, method="exact", videos=len(sums))
    generator = np.random.default_rng(seed)
    step = max(1, min(_FLIPS, _CHUNK_CELLS // len(sums)))
    hits = 0
    for start in range(0, _FLIPS, step):
        size = min(step, _FLIPS - start)
        signs = 2.0 * generator.integers(0, 2, (size, len(sums))) - 1.0
        hits += int((np.abs(signs @ sums) >= seen).sum())
    return Permutation(p=(1 + hits) / (1 + _FLIPS), method="monte_carlo", videos=len(sums))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, for several comparisons with one base; in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
