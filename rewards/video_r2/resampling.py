"""Bootstrap intervals of ratios of sums: shares, conditional shares and means alike.

Rows that are equal are exchangeable, so resampling rows with replacement is one multinomial draw
over the distinct ones: exact, and independent of the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "Pair", "macro_ratio", "merged", "ratio"]

Pair = tuple[float, float]
"""A row's part of the numerator and of the denominator."""
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % bootstrap interval.

    Attributes:
        value: ``None`` when not available (empty denominator, errata ruling 12).
        low: lower end; ``None`` when not available.
        high: upper end.
        n: sum of the denominators, for a macro mean the number of parts it averages.
        n_unavailable: resamples (macro: parts) without a denominator, which were left out.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: float = 0.0
    n_unavailable: int = 0


def ratio(pairs: Sequence[Pair], *, seed: int = 0, resamples: int = 2000) -> Estimate:
    """``sum of numerators / sum of denominators`` over rows, each row resampled as a whole."""
    total = sum(d for _, d in pairs)
    if not total:
        return Estimate(None)
    draws = _draws(pairs, np.random.default_rng(seed), resamples)
    known = draws[~np.isnan(draws)]
    return _with_interval(
        sum(n for n, _ in pairs) / total, known, float(total), resamples - len(known)
    )


def merged(pairs: Sequence[Pair], clusters: Sequence[str] | None) -> list[Pair]:
    """Rows of one cluster (one video) as one row, so that they are resampled together.

    Args:
        pairs: one a row.
        clusters: name of each row's cluster; ``None``: every row is its own.

    Raises:
        ValueError: another number of names than of rows.
    """
    if clusters is None:
        return list(pairs)
    sums: dict[str, Pair] = {}
    for name, (part, whole) in zip(clusters, pairs, strict=True):
        before = sums.get(name, (0.0, 0.0))
        sums[name] = (before[0] + part, before[1] + whole)
    return list(sums.values())


def macro_ratio(
    parts: Mapping[str, Sequence[Pair]], *, seed: int = 0, resamples: int = 2000
) -> Estimate:
    """Unweighted mean of the ratios of several benchmarks, resampled within each.

    Benchmarks whose ratio is not available are left out and counted.
    """
    kept = {name: rows for name, rows in parts.items() if sum(d for _, d in rows)}
    if not kept:
        return Estimate(None, n_unavailable=len(parts))
    values = [sum(n for n, _ in rows) / sum(d for _, d in rows) for rows in kept.values()]
    generator = np.random.default_rng(seed)
    draws = np.stack([_draws(kept[name], generator, resamples) for name in sorted(kept)])
    means = draws.mean(axis=0)
    return _with_interval(
        sum(values) / len(values), means[~np.isnan(means)], float(len(kept)),
        len(parts) - len(kept),
    )  # fmt: skip


def _draws(
    pairs: Sequence[Pair], generator: np.random.Generator, resamples: int
) -> npt.NDArray[np.float64]:
    """Resampled ratios, NaN where the denominator is empty."""
    distinct = sorted(Counter(pairs).items())
    rows = np.array([pair for pair, _ in distinct], dtype=np.float64)
    share = np.array([count for _, count in distinct], dtype=np.float64) / len(pairs)
    sums = generator.multinomial(len(pairs), share, size=resamples) @ rows
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn: npt.NDArray[np.float64] = np.where(
            sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan
        )
    return drawn


def _with_interval(
    value: float, draws: npt.NDArray[np.float64], n: float, unavailable: int
) -> Estimate:
    low, high = (float(x) for x in np.percentile(draws, _TAILS)) if len(draws) else (None, None)
    return Estimate(value, low, high, n, unavailable)
