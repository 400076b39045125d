"""Total reward and advantages: spec video_r2 §10.7, §12.4 (5), (6), (10), errata ruling 10."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.load import load_config
from ffr.config.repair import AdvantageConfig
from ffr.config.rewards import RewardConfig
from rewards.advantage import group_advantages, group_spread
from rewards.components.gates import GateValues, apply_gates
from rewards.rir import AttemptScore, RirTerms, attempt_terms, missing_components

ACC = [1, 1, 0, 1, 0, 1, 0, 1]
FMT = [1, 1, 1, 1, 1, 1, 0, 1]
TAR = [0.5, 1, 1 / 3, 0, 0.5, 0.75, 0, 1]
GATE = [1, 0, 1, 1, 0, 1, 0, 1]
PARITY = load_config([Path(__file__).parents[3] / "configs" / "video_r2_7b.yaml"]).reward
DEFAULT = load_config([Path(__file__).parents[3] / "configs" / "video_r2_cpu.yaml"]).reward
UNGATED = RewardConfig.model_validate({"components": [{"name": "tar"}]})


def terms(
    accuracy: float, form: float, tar: float | None, gate: float | None, config: RewardConfig
) -> RirTerms:
    """A first answer's terms; the inconsistency is the scorer's own rule (``-(1 - g) acc``)."""
    gates = GateValues(accuracy, accuracy == 1.0, form, gate)
    values = {"tar": tar, "inconsistency": 0.0 if gate is None else -(1.0 - gate) * accuracy}
    gated = {e.name: apply_gates(values[e.name], e.gates, gates) for e in config.components}
    score = AttemptScore(accuracy, form, accuracy == 1.0, components=gated)
    return attempt_terms(score, config, "first")


def totals(group: list[RirTerms]) -> list[float]:
    missing = missing_components(group)
    return [row.without(missing).total for row in group]


def rewards_of(config: RewardConfig) -> list[float]:
    return totals([
        terms(*row, config) for row in zip(ACC, FMT, TAR, GATE, strict=True)
    ])  # fmt: skip


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
    config: RewardConfig, rewards: list[float], wanted: list[float]
) -> None:
    found = rewards_of(config)
    assert found == pytest.approx(rewards, abs=1e-4)
    assert advantages(found) == pytest.approx(wanted, abs=1e-4)


def test_mean_and_spread() -> None:
    found = rewards_of(PARITY)
    assert math.fsum(found) / 8 == pytest.approx(1.822917, abs=1e-6)
    assert group_spread(found) == pytest.approx(1.000434, abs=1e-6)


def test_degenerate_groups() -> None:
    assert advantages([1.7] * 8) == [0.0] * 8
    nearly = advantages([3.0] * 7 + [2.999])
    assert nearly == pytest.approx([0.2756] * 7 + [-1.9292], abs=1e-4)
    assert group_spread([3.0] * 7 + [2.999]) == pytest.approx(0.000354, abs=1e-6)


def test_an_unknown_gate_makes_tar_missing_and_takes_nothing_off() -> None:
    found = terms(1.0, 1.0, 0.75, None, DEFAULT)
    assert (found.accuracy, found.format) == (1.0, 1.0)
    assert found.components == {"tar": None, "inconsistency": 0.0}
    assert found.total == 2.0


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3), st.booleans())
def test_judge_failure_never_changes_another_component(scores: list[float], gate: bool) -> None:
    accuracy, form, tar = scores
    whole = terms(accuracy, form, tar, 1.0, DEFAULT)
    for failed in (terms(accuracy, form, tar, None, DEFAULT),
                   terms(accuracy, form, None, 1.0, DEFAULT)):  # fmt: skip
        assert failed.components["tar"] is None
        assert failed.components["inconsistency"] == whole.components["inconsistency"] == 0.0
        assert (failed.accuracy, failed.format) == (whole.accuracy, whole.format)
    read, unread = (terms(accuracy, form, t, float(gate), DEFAULT) for t in (tar, None))
    assert read.components["inconsistency"] == unread.components["inconsistency"]


def test_a_group_compares_only_what_every_member_has() -> None:
    group = [
        terms(1.0, 1.0, 0.5, 1.0, UNGATED), terms(0.0, 1.0, None, 1.0, UNGATED),
        terms(1.0, 0.0, None, 1.0, UNGATED),
    ]  # fmt: skip
    assert missing_components(group) == {"tar"}
    assert totals(group) == [2.0, 1.0, 1.0]


def test_rows_without_references_run_with_tar_masked() -> None:
    assert totals([terms(a, 1.0, None, 1.0, DEFAULT) for a in (1.0, 0.0)]) == [2.0, 1.0]


@given(st.permutations(range(8)))
def test_advantages_follow_their_rollouts(order: list[int]) -> None:
    rewards = rewards_of(DEFAULT)
    wanted = advantages(rewards)
    permuted = advantages([rewards[i] for i in order])
    assert permuted == pytest.approx([wanted[i] for i in order], abs=1e-9)


def test_parity_touches_tar_alone() -> None:
    found: Any = terms(1.0, 1.0, 1.0, 0.0, PARITY)
    assert found.components == {"tar": 0.0}
    assert found.total == 2.0
