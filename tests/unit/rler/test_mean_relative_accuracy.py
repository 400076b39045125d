"""Worked example 8.4 (MRA) and the boundary trap of the other method's spec."""

from __future__ import annotations

import math

import pytest

from rewards.mean_relative_accuracy import mean_relative_accuracy


@pytest.mark.parametrize(
    ("said", "gold", "score"),
    [
        (9.2, 10, 0.9), (95, 100, 0.9), (90, 100, 0.8), (88, 100, 0.8), (60, 100, 0.2),
        (3, 4, 0.5), (0, 0, 1.0), (1, 0, 0.0), (-9.2, -10, 0.9), (math.nan, 3, 0.0),
        (math.inf, 3, 0.0), (100, 100, 1.0), (-100, 100, 0.0),
    ],
)  # fmt: skip
def test_mean_relative_accuracy(said, gold, score) -> None:
    assert mean_relative_accuracy(said, gold) == pytest.approx(score, abs=1e-9)
