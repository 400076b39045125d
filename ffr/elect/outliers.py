"""Leave out candidates whose evidence is far worse than the others' (spec rler §5 step 5).

It looks at the score alone, never at the answer, so it cannot punish a minority for being one.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ffr.config.elect import OutlierConfig
from ffr.elect.candidate import Candidate

__all__ = ["drop_outliers"]

_TO_SIGMA = 1.4826  # median absolute deviation to standard deviation, for normal scores


def drop_outliers(candidates: Sequence[Candidate], config: OutlierConfig) -> list[Candidate]:
    """Those that stay, in the given order.

    A candidate is far when ``|S - median| / max(1.4826 MAD, floor) > z``; with ``side: low`` only
    below the median (errata ruling 5). The farthest go first, the earlier of two equals, and at
    most a quarter of all goes.
    """
    if not config.enabled or len(candidates) < config.at_least:
        return list(candidates)
    middle = statistics.median(c.score for c in candidates)
    deviation = statistics.median(abs(c.score - middle) for c in candidates)
    spread = max(_TO_SIGMA * deviation, config.floor)
    far = [
        c
        for c in candidates
        if abs(c.score - middle) / spread > config.z
        and (config.side == "both" or c.score < middle)
    ]
    far.sort(key=lambda c: (-abs(c.score - middle), c.number))
    dropped = {c.number for c in far[: len(candidates) // 4]}
    return [c for c in candidates if c.number not in dropped]
