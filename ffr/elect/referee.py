"""One check at the end: do the cited frames support the winner (spec rler §5 step 8).

The referee can only take votes away from the winner, and only once; it cannot name an answer.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from dataclasses import dataclass

from ffr.config.elect import RefereeConfig
from ffr.elect.vote import Tally

__all__ = [
    "Claim", "best_cited", "claim_of", "is_wanted", "read_verdict", "referee_factor", "rule_score",
]  # fmt: skip

_SCORE = re.compile(r"<score>\s*([+-]?(?:\d{1,6}(?:\.\d{0,12})?|\.\d{1,12}))\s*</score>", re.ASCII)
_SUFFICIENT = re.compile(r"<sufficient>\s*(yes|no)\s*[.!]?\s*</sufficient>", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """What the referee is asked about.

    Attributes:
        answer: the winner's answer.
        reasoning: of its best supporter.
        rival: the runner-up's answer, if there is one.
        units: frames or groups to look at, in time order; empty: nothing was cited.
    """

    answer: str
    reasoning: str
    rival: str | None
    units: tuple[int, ...]


def is_wanted(config: RefereeConfig, tally: Tally) -> bool:
    """Whether the referee is asked at all."""
    return config.when == "always" or (config.when == "contested" and tally.runner_up is not None)


def best_cited(tally: Tally, key: str, most: int) -> dict[int, float]:
    """Units cited by an answer's supporters with the weight behind each, the heaviest ``most``.

    In order of number; of equal weights the earlier units stay.
    """
    weight: defaultdict[int, float] = defaultdict(float)
    for supporter in tally.supporters[key]:
        for unit in supporter.cited:
            weight[unit] += tally.weights[supporter.number]
    chosen = sorted(weight, key=lambda unit: (-round(weight[unit], 9), unit))[:most]
    return {unit: weight[unit] for unit in sorted(chosen)}


def claim_of(tally: Tally, config: RefereeConfig, *, clustered: bool) -> Claim:
    """The winner's case."""
    rival = tally.runner_up
    return Claim(
        answer=tally.spokesman(tally.winner, clustered=clustered).answer,
        reasoning=tally.best_supporter(tally.winner).think,
        rival=None if rival is None else tally.spokesman(rival, clustered=clustered).answer,
        units=tuple(best_cited(tally, tally.winner, config.max_frames)),
    )


def rule_score(tally: Tally) -> float:
    """``r`` without a model: mean ``s_fs`` over the winner's supporters."""
    return statistics.fmean(c.frame_sensitive for c in tally.supporters[tally.winner])


def read_verdict(text: str) -> float | None:
    """``r`` in [0, 1] from a referee's reply, or ``None`` when it is unreadable.

    The first score counts, clipped; without one the first yes is 1 and no is 0.
    """
    score = _SCORE.search(text)
    if score:
        return min(1.0, max(0.0, float(score.group(1))))
    sufficient = _SUFFICIENT.search(text)
    if sufficient:
        return float(sufficient.group(1).lower() == "yes")
    return None


def referee_factor(r: float, config: RefereeConfig) -> float:
    """``phi``: 1 from the threshold on, below it ``keep + (1 - keep) r / threshold``."""
    if r >= config.threshold:
        return 1.0
    return config.keep + (1.0 - config.keep) * r / config.threshold
