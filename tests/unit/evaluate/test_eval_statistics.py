"""Intervals and paired tests against values known from elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.evaluate.intervals import macro_mean, mean, wilson
from ffr.evaluate.paired import difference, holm, mcnemar, permutation


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # scipy 1.17.1, stats.binomtest(k, n).proportion_ci(method="wilson")
        (8, 10, 0.4901624715366418, 0.9433178485456248),
        (1, 10, 0.017876213095072896, 0.4041500267952385),
        (0, 20, 0.0, 0.16112515805281935),
        (20, 20, 0.8388748419471808, 1.0),
        (50, 100, 0.4038315303659956, 0.5961684696340044),
    ],
)
def test_wilson(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-9)


@given(st.integers(1, 500), st.data())
def test_wilson_contains_the_share(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert low < high


def test_wilson_refuses_what_is_no_share():
    with pytest.raises(ValueError, match="successes=3 of n=2"):
        wilson(3, 2)


def test_items_with_videos_of_their_own_get_wilson():
    found = mean([1.0] * 8 + [0.0] * 2, [f"v{i}" for i in range(10)])
    assert found.method == "wilson"
    assert (found.low, found.high) == pytest.approx(wilson(8, 10))
    assert mean([], []).value is None


def test_items_that_share_videos_are_resampled_by_video():
    """Ten videos of ten equal items know as much as ten items, not as a hundred."""
    values = [float(v < 5) for v in range(10) for _ in range(10)]
    videos = [f"v{v}" for v in range(10) for _ in range(10)]
    together = mean(values, videos)
    assert together.method == "video_bootstrap"
    assert (together.value, together.n) == (0.5, 100)
    alone = mean(values, [str(i) for i in range(100)])
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    se = math.sqrt(0.25 / 10)
    assert together.high == pytest.approx(0.5 + 1.96 * se, abs=0.06)


def test_nothing_is_certain_because_all_items_agree():
    videos = [f"v{i // 4}" for i in range(24)]
    found = mean([0.0] * 24, videos)
    assert found.method == "wilson_videos"
    assert (found.low, found.high) == pytest.approx(wilson(0, 6))
    assert mean([1.0] * 24, videos).low == pytest.approx(wilson(6, 6)[0])


def test_graded_values_are_bootstrapped():
    values = list(np.linspace(0, 1, 50))
    found = mean(values, [f"v{i}" for i in range(50)])
    assert found.method == "bootstrap"
    se = float(np.std(values)) / math.sqrt(50)
    assert (found.low, found.high) == pytest.approx((0.5 - 1.96 * se, 0.5 + 1.96 * se), abs=0.02)
    assert mean(values, [f"v{i}" for i in range(50)]) == found  # the same again


def test_the_macro_mean_counts_groups_not_items():
    values = [1.0] * 90 + [0.0] * 10
    groups = ["large"] * 90 + ["small"] * 10
    found = macro_mean(values, [f"v{i}" for i in range(100)], groups)
    assert (found.value, found.n) == (0.5, 2)
    assert found.low == found.high == 0.5  # both groups are constant
    mixed = macro_mean([1, 0, 1, 1, 0, 0], list("uvwxyz"), ["a", "a", "b", "b", "c", "c"])
    assert mixed.value == pytest.approx((0.5 + 1.0 + 0.0) / 3)
    assert mixed.low < mixed.value < mixed.high
    assert macro_mean([], [], []).value is None


def test_what_groups_share_through_a_video_is_kept():
    """Two groups over the same videos: no more is known than about one of them."""
    rng = np.random.default_rng(0)
    by_video = rng.integers(0, 2, 40).astype(float)
    values, videos = list(by_video) * 2, [f"v{i}" for i in range(40)] * 2
    both = macro_mean(values, videos, ["a"] * 40 + ["b"] * 40)
    one = macro_mean(list(by_video), videos[:40], ["a"] * 40)
    assert both.high - both.low == pytest.approx(one.high - one.low, abs=0.03)


@pytest.mark.parametrize(
    ("only_base", "only_other", "p"),
    [  # scipy 1.17.1, stats.binomtest(k, n).pvalue
        (0, 0, 1.0),
        (5, 5, 1.0),
        (2, 9, 0.0654296875),
        (0, 6, 0.03125),
        (12, 30, 0.007915897334896727),
    ],
)
def test_mcnemar(only_base, only_other, p):
    base = [True] * only_base + [False] * only_other + [True, False] * 3
    other = [False] * only_base + [True] * only_other + [True, False] * 3
    found = mcnemar(base, other)
    assert (found.only_base, found.only_other) == (only_base, only_other)
    assert found.p == pytest.approx(p, abs=1e-12)


def test_mcnemar_with_more_discordant_items_than_a_float_can_count():
    found = mcnemar([True] * 1100 + [False] * 900, [False] * 1100 + [True] * 900)
    assert found.p == pytest.approx(8.45708953550381e-06, rel=1e-9)  # scipy, as above


def test_the_permutation_test_of_few_videos_is_exact():
    # differences 1, 1, 1, 1: of 16 sign patterns only all + and all - reach a sum of 4
    found = permutation([0.0] * 4, [1.0] * 4, list("abcd"))
    assert (found.p, found.method, found.videos) == (2 / 16, "exact", 4)
    # 3, -1, 1 over three videos: |sum| >= 3 for 3±1±1 >= 3 -> 6 of 8 patterns
    found = permutation([0.0, 1.0, 0.0], [3.0, 0.0, 1.0], list("abc"))
    assert found.p == pytest.approx(6 / 8)
    assert permutation([1.0, 0.0], [1.0, 0.0], ["a", "b"]).p == 1.0


def test_items_of_one_video_are_flipped_together():
    found = permutation([0.0] * 8, [1.0] * 8, ["a"] * 4 + ["b"] * 4)
    assert (found.p, found.videos) == (0.5, 2)


def test_many_videos_are_sampled_and_agree_with_the_normal_limit():
    rng = np.random.default_rng(1)
    gaps = rng.normal(0.15, 1.0, 200)
    found = permutation([0.0] * 200, list(gaps), [f"v{i}" for i in range(200)])
    assert found.method == "monte_carlo"
    z = abs(gaps.sum()) / math.sqrt((gaps**2).sum())
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.015)
    assert permutation([0.0] * 200, list(gaps), [f"v{i}" for i in range(200)]) == found


def test_differences_are_paired():
    base, other = [0.0, 1.0] * 50, [1.0, 1.0] * 50
    found = difference(base, other, [f"v{i}" for i in range(100)])
    assert found.value == 0.5
    assert found.n == 100
    assert (found.low, found.high) == pytest.approx((0.4, 0.6), abs=0.02)
    same = difference(base, base, [f"v{i}" for i in range(100)])
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5]) == [0.5]
    assert holm([0.6, 0.7]) == [1.0, 1.0]
