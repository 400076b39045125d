"""Total reward and advantages: spec video_r2 §10.7, §12.4 (5), (6), (10), errata ruling 10."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.repair import AdvantageConfig
from ffr.config.video_r2 import ConsistencyConfig, VideoR2RewardConfig
from rewards.advantage import group_advantages, group_spread
from rewards.video_r2.reward import (
    ResponseScores,
    component_metrics,
    group_totals,
    video_r2_terms,
)

ACC = [1, 1, 0, 1, 0, 1, 0, 1]
FMT = [1, 1, 1, 1, 1, 1, 0, 1]
TAR = [0.5, 1, 1 / 3, 0, 0.5, 0.75, 0, 1]
GATE = [1, 0, 1, 1, 0, 1, 0, 1]
PARITY = VideoR2RewardConfig.parity()
DEFAULT = VideoR2RewardConfig()
UNGATED = VideoR2RewardConfig(consistency=None)


def totals(config: VideoR2RewardConfig) -> list[float]:
    terms = [
        video_r2_terms(ResponseScores(*row), config)
        for row in zip(ACC, FMT, TAR, GATE, strict=True)
    ]
    return list(group_totals(terms).totals)


def advantages(rewards: list[float]) -> list[float]:
    return group_advantages(rewards, ["q"] * len(rewards), AdvantageConfig())


@pytest.mark.parametrize(
    ("config", "rewards", "wanted"),
    [
        (PARITY, [2.5, 2, 1.3333, 2, 1, 2.75, 0, 3],
         [0.6767, 0.1770, -0.4893, 0.1770, -0.8225, 0.9266, -1.8219, 1.1765]),
        (UNGATED, [2.5, 3, 1.3333, 2, 1.5, 2.75, 0, 3],
         [0.4727, 0.9555, -0.6538, -0.0101, -0.4929, 0.7141, -1.9413, 0.9555]),
        (DEFAULT, [2.5, 1.5, 1.3333, 2, 1, 2.75, 0, 3],
         [0.7370, -0.2595, -0.4256, 0.2387, -0.7578, 0.9861, -1.7543, 1.2353]),
    ],
)  # fmt: skip
def test_totals_and_advantages(
    config: VideoR2RewardConfig, rewards: list[float], wanted: list[float]
) -> None:
    found = totals(config)
    assert found == pytest.approx(rewards, abs=1e-4)
    assert advantages(found) == pytest.approx(wanted, abs=1e-4)


def test_mean_and_spread() -> None:
    found = totals(PARITY)
    assert math.fsum(found) / 8 == pytest.approx(1.822917, abs=1e-6)
    assert group_spread(found) == pytest.approx(1.000434, abs=1e-6)


def test_degenerate_groups() -> None:
    assert advantages([1.7] * 8) == [0.0] * 8
    nearly = advantages([3.0] * 7 + [2.999])
    assert nearly == pytest.approx([0.2756] * 7 + [-1.9292], abs=1e-4)
    assert group_spread([3.0] * 7 + [2.999]) == pytest.approx(0.000354, abs=1e-6)


def test_an_unknown_gate_makes_tar_missing_and_takes_nothing_off() -> None:
    terms = video_r2_terms(ResponseScores(1.0, 1.0, 0.75, None), DEFAULT)
    assert terms == {"accuracy": 1.0, "format": 1.0, "tar": None}


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3), st.booleans())
def test_judge_failure_never_changes_another_component(scores: list[float], gate: bool) -> None:
    accuracy, form, tar = scores
    for known in (ResponseScores(accuracy, form, tar, 1.0),):
        with_judge = video_r2_terms(known, DEFAULT)
        for failed in (
            ResponseScores(accuracy, form, tar, None),
            ResponseScores(accuracy, form, None, 1.0),
        ):
            without = video_r2_terms(failed, DEFAULT)
            assert without["tar"] is None
            assert (without["accuracy"], without["format"]) == (
                with_judge["accuracy"], with_judge["format"],
            )  # fmt: skip
    inconsistent = ResponseScores(accuracy, form, tar, 0.0)
    unread = ResponseScores(accuracy, form, None, 0.0)
    assert video_r2_terms(inconsistent, DEFAULT)["accuracy"] == (
        video_r2_terms(unread, DEFAULT)["accuracy"]
    )


def test_a_group_compares_only_what_every_member_has() -> None:
    rows = [
        {"accuracy": 1.0, "format": 1.0, "tar": 0.5},
        {"accuracy": 0.0, "format": 1.0, "tar": None},
        {"accuracy": 1.0, "format": 0.0, "tar": None},
    ]
    group = group_totals(rows)
    assert group.totals == (2.0, 1.0, 1.0)
    assert group.used == ("accuracy", "format")
    assert group.dropped == {"tar": 2}


def test_rows_without_references_run_with_tar_masked() -> None:
    group = group_totals(
        [video_r2_terms(ResponseScores(a, 1.0, None, 1.0), DEFAULT) for a in (1.0, 0.0)]
    )
    assert group.totals == (2.0, 1.0)
    assert "tar" not in group.used


@given(st.permutations(range(8)))
def test_advantages_follow_their_rollouts(order: list[int]) -> None:
    rewards = totals(DEFAULT)
    wanted = advantages(rewards)
    permuted = advantages([rewards[i] for i in order])
    assert permuted == pytest.approx([wanted[i] for i in order], abs=1e-9)


def test_metrics_count_what_is_missing() -> None:
    groups = [
        [{"accuracy": 1.0, "tar": 0.5}, {"accuracy": 1.0, "tar": None}],
        [{"accuracy": 0.0, "tar": 0.5}, {"accuracy": 1.0, "tar": 0.5}],
    ]
    assert component_metrics(groups) == pytest.approx({
        "reward/accuracy/mean": 0.75, "reward/accuracy/std": 0.4330127,
        "reward/accuracy/missing": 0.0, "reward/accuracy/zero_variance": 0.5,
        "reward/tar/mean": 0.5, "reward/tar/std": 0.0, "reward/tar/missing": 1.0,
        "reward/tar/zero_variance": 1.0,
    })  # fmt: skip
    only_missing = component_metrics([[{"tar": None}]])
    assert only_missing == {"reward/tar/missing": 1.0}


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tar=1\.5"):
        video_r2_terms(ResponseScores(1.0, 1.0, 1.5, 1.0), DEFAULT)
    with pytest.raises(ValueError, match="accuracy=nan"):
        video_r2_terms(ResponseScores(math.nan, 1.0, 1.0, 1.0), DEFAULT)
    with pytest.raises(ValueError, match="not finite"):
        group_totals([{"tar": math.inf}])
    with pytest.raises(ValueError, match="components"):
        group_totals([{"tar": 1.0}, {"accuracy": 1.0}])
    assert group_totals([]).totals == ()


def test_parity_touches_tar_alone() -> None:
    assert ConsistencyConfig.parity().discount == 0.0
    terms = video_r2_terms(ResponseScores(1.0, 1.0, 1.0, 0.0), PARITY)
    assert terms == {"accuracy": 1.0, "format": 1.0, "tar": 0.0}
