"""95 % intervals of means over items, where items about one video belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from rewards.video_r2.resampling import merged, ratio

__all__ = ["Interval", "macro_mean", "mean", "wilson"]

_Z = 1.959963984540054
_RESAMPLES = 2000
_CHUNK_CELLS = 4_000_000


class Interval(BaseModel):
    """A value with its 95 % interval.

    Attributes:
        value: ``None`` when there is nothing to average.
        n: items (of a macro mean: groups) behind it.
        method: ``wilson``; ``wilson_videos``: the same with videos counted instead of items;
            ``bootstrap``: items resampled; ``video_bootstrap``: videos resampled with all their
            items.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    method: str = "none"


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %.

    Raises:
        ValueError: ``n`` is not positive, or ``successes`` is not in 0..n.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"successes={successes} of n={n} is not allowed; give 0 <= successes <= n")
    share, z2 = successes / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def mean(values: Sequence[float], videos: Sequence[str], *, seed: int = 0) -> Interval:
    """The micro mean: every item counts the same.

    Shares of items with a video of their own get Wilson's interval, so do shares of 0 and 1 (over
    videos); everything else gets a bootstrap.

    Args:
        values: one an item.
        videos: the video each item is about.
        seed: of the bootstrap.
    """
    if not values:
        return Interval(value=None)
    n = len(values)
    shared = len(set(videos)) < n
    if all(v in (0.0, 1.0) for v in values):
        total = round(sum(values))
        if not shared:
            low, high = wilson(total, n)
            return Interval(value=total / n, low=low, high=high, n=n, method="wilson")
        if total in (0, n):  # every resample is the same: a bootstrap would claim certainty
            count = len(set(videos))
            low, high = wilson(count if total else 0, count)
            return Interval(value=total / n, low=low, high=high, n=n, method="wilson_videos")
    found = ratio(merged([(float(v), 1.0) for v in values], videos), seed=seed)
    method = "video_bootstrap" if shared else "bootstrap"
    return Interval(value=found.value, low=found.low, high=found.high, n=n, method=method)


def macro_mean(
    values: Sequence[float], videos: Sequence[str], groups: Sequence[str], *, seed: int = 0
) -> Interval:
    """The macro mean: every group counts the same, however many items it has.

    Videos are resampled with all their items, so that what groups share through a video is kept;
    groups a resample misses are left out of its mean.

    Args:
        values: one an item.
        videos: the video each item is about.
        groups: the group each item belongs to.
        seed: of the bootstrap.
    """
    if not values:
        return Interval(value=None)
    names = {name: i for i, name in enumerate(sorted(set(groups)))}
    files = {name: i for i, name in enumerate(dict.fromkeys(videos))}
    sums, counts = (np.zeros((len(files), len(names))) for _ in range(2))
    for value, video, group in zip(values, videos, groups, strict=True):
        sums[files[video], names[group]] += value
        counts[files[video], names[group]] += 1
    generator = np.random.default_rng(seed)
    step = max(1, min(_RESAMPLES, _CHUNK_CELLS // len(files)))
    draws = []
    for start in range(0, _RESAMPLES, step):
        size = min(step, _RESAMPLES - start)
        weights = generator.multinomial(len(files), np.full(len(files), 1 / len(files)), size=size)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws.append(np.nanmean((weights @ sums) / (weights @ counts), axis=1))
    low, high = np.percentile(np.concatenate(draws), (2.5, 97.5))
    return Interval(
        value=float((sums.sum(0) / counts.sum(0)).mean()), low=float(low), high=float(high),
        n=len(names), method="video_bootstrap",
    )  # fmt: skip
