"""The eight advantage vectors of spec ffr §5, its consequences, and the float32 trap."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.repair import AdvantageConfig
from rewards.advantage import advantages_by_category, group_advantages, group_spread

PAPER = AdvantageConfig()
OK, REP_OK, REP_WRONG = 2.0, 1.7, 0.7


def advantages(counts: tuple[int, int, int], kappa: float = 0.3) -> dict[str, float]:
    levels = {"ok": 2.0, "rep_ok": 2.0 - kappa, "rep_wrong": 1.0 - kappa}
    names = [n for n, c in zip(levels, counts, strict=True) for _ in range(c)]
    found = group_advantages([levels[n] for n in names], ["g"] * len(names), PAPER)
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize(
    ("counts", "mean", "std", "expected"),
    [
        ((4, 4, 0), 1.85, 0.1604, {"ok": 0.935, "rep_ok": -0.935}),
        ((4, 3, 1), 1.725, 0.4400, {"ok": 0.625, "rep_ok": -0.057, "rep_wrong": -2.329}),
        ((2, 4, 2), 1.525, 0.5258, {"ok": 0.903, "rep_ok": 0.333, "rep_wrong": -1.569}),
        ((6, 1, 1), 1.80, 0.4567, {"ok": 0.438, "rep_ok": -0.219, "rep_wrong": -2.408}),
        ((7, 1, 0), 1.9625, 0.1061, {"ok": 0.353, "rep_ok": -2.473}),
        ((1, 7, 0), 1.7375, 0.1061, {"ok": 2.473, "rep_ok": -0.353}),
        ((0, 5, 3), 1.325, 0.5175, {"rep_ok": 0.724, "rep_wrong": -1.207}),
        ((0, 8, 0), 1.70, 0.0, {"rep_ok": 0.0}),
    ],
)
def test_spec_vectors(
    counts: tuple[int, int, int], mean: float, std: float, expected: dict[str, float]
) -> None:
    rewards = [OK] * counts[0] + [REP_OK] * counts[1] + [REP_WRONG] * counts[2]
    assert sum(rewards) / 8 == pytest.approx(mean, abs=5e-5)
    assert group_spread(rewards) == pytest.approx(std, abs=5e-5)
    found = advantages(counts)
    assert found == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("kappa", "expected"), [(0.1, 0.199), (0.3, -0.057), (1.0, -0.504)]
)
def test_kappa_matters_beside_failed_repairs(kappa: float, expected: float) -> None:
    assert advantages((4, 3, 1), kappa)["rep_ok"] == pytest.approx(expected, abs=5e-4)


@given(kappa=st.floats(0.2, 2.0))
def test_kappa_cancels_in_two_level_groups(kappa: float) -> None:
    assert advantages((4, 4, 0), kappa)["ok"] == pytest.approx(0.935, abs=2e-3)


def test_eight_equal_float32_rewards_get_exactly_zero() -> None:
    single = struct.unpack("f", struct.pack("f", 1.7))[0]
    nudged = struct.unpack("f", struct.pack("f", 1.7 + 1.5e-7))[0]
    assert single != nudged
    trap = AdvantageConfig(epsilon=1e-6)
    assert group_advantages([single] * 7 + [nudged], ["g"] * 8, trap) == [0.0] * 8
    assert group_advantages([1.7] * 8, ["g"] * 8, AdvantageConfig(epsilon=0, min_spread=0)) == (
        [0.0] * 8
    )


def test_small_but_real_spread_is_kept() -> None:
    found = group_advantages([3.0] * 7 + [2.999], ["g"] * 8, PAPER)
    assert found == pytest.approx([0.2756] * 7 + [-1.9292], abs=1e-4)


def test_without_std_kappa_keeps_its_scale() -> None:
    plain = AdvantageConfig(norm_by_std=False)
    assert group_advantages([2.0, 1.7], ["g", "g"], plain) == pytest.approx([0.15, -0.15])
    assert group_advantages([1.7, 1.7 + 1e-9], ["g", "g"], plain) == [0.0, 0.0]


def test_floor_lifts_right_repairs_only() -> None:
    config = AdvantageConfig(floor_repaired_correct=True)
    rewards = [2.0] * 6 + [1.7, 0.7]
    flags = [False] * 6 + [True, False]
    found = group_advantages(rewards, ["g"] * 8, config, repaired_right=flags)
    assert found[6] == 0.0
    assert found[7] == pytest.approx(-2.408, abs=5e-4)
    with pytest.raises(ValueError, match="repaired_right"):
        group_advantages(rewards, ["g"] * 8, config)


def test_group_of_one_has_no_advantage() -> None:
    assert group_spread([2.0]) is None
    assert group_advantages([2.0, 1.0, 0.0], ["a", "b", "b"], PAPER)[0] == 0.0


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"rewards\[1\]=nan"):
        group_advantages([1.0, math.nan], ["g", "g"], PAPER)
    with pytest.raises(ValueError, match="2 rewards but 1 group"):
        group_advantages([1.0, 2.0], ["g"], PAPER)


@given(
    rows=st.lists(
        st.tuples(st.floats(-5, 5), st.sampled_from("abc")), min_size=1, max_size=24
    ),
    norm=st.booleans(),
)
def test_each_group_sums_to_zero_and_order_does_not_matter(
    rows: list[tuple[float, str]], norm: bool
) -> None:
    config = AdvantageConfig(norm_by_std=norm)
    rewards, groups = [r for r, _ in rows], [g for _, g in rows]
    found = group_advantages(rewards, groups, config)
    for label in set(groups):
        own = [a for a, g in zip(found, groups, strict=True) if g == label]
        assert math.fsum(own) == pytest.approx(0.0, abs=1e-6)
    turned = group_advantages(rewards[::-1], groups[::-1], config)
    assert turned[::-1] == pytest.approx(found, abs=1e-9)


def test_by_category() -> None:
    found = advantages_by_category([("right", 1.0), ("wrong", -2.0), ("right", 0.5)])
    assert list(found) == ["right", "wrong"]
    assert (found["right"].count, found["right"].mean) == (2, 0.75)
