"""Mean relative accuracy of a number, the score of VSIBench's numeric questions.

One implementation for everything (errata ruling 13): integer per cent thresholds, strict, so that
a relative error of exactly 10 % does not pass at 90 % (spec video_r2 §10.12, "ours").
"""

from __future__ import annotations

import math

__all__ = ["mean_relative_accuracy"]

_THRESHOLDS = range(50, 100, 5)
_SLACK = 1e-12


def mean_relative_accuracy(said: float, gold: float) -> float:
    """Share of the thresholds 50, 55, ..., 95 per cent that ``said`` reaches, in [0, 1].

    A gold of 0 is hit exactly or not at all; a value that is not finite scores 0.
    """
    if not math.isfinite(said) or not math.isfinite(gold):
        return 0.0
    if gold == 0.0:
        return float(said == 0.0)
    error = abs(said - gold) / abs(gold)
    passed = sum(error < (100 - threshold) / 100 - _SLACK for threshold in _THRESHOLDS)
    return passed / len(_THRESHOLDS)
