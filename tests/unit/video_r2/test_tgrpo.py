"""T-GRPO and the length bonus: spec video_r2 §10.9."""

from __future__ import annotations

import pytest

from ffr.config.repair import AdvantageConfig
from ffr.config.video_r2 import TGrpoConfig
from rewards.advantage import group_advantages
from rewards.tgrpo import shuffled_order, temporal_contrast, tgrpo_terms

PARITY = TGrpoConfig.parity()
DEFAULT = TGrpoConfig()
ACC = [1, 1, 0, 1, 0, 0, 1, 1]
LENGTHS = [330, 600, 400, 320, 512, 200, 512, 319]


def totals(acc: list[float], lengths: list[int], shuffled: list[float] | None,
           config: TGrpoConfig = PARITY) -> list[float]:  # fmt: skip
    return [t.total for t in tgrpo_terms(acc, [1.0] * len(acc), lengths, shuffled, config)]


def advantages(rewards: list[float]) -> list[float]:
    return group_advantages(rewards, ["q"] * len(rewards), AdvantageConfig())


@pytest.mark.parametrize("config", [PARITY, DEFAULT])
def test_worked_example(config: TGrpoConfig) -> None:
    contrast = temporal_contrast(ACC, [1, 0, 0, 1], config)
    assert (contrast.ordered, contrast.shuffled, contrast.granted) == (0.625, 0.5, True)
    rewards = totals([float(a) for a in ACC], LENGTHS, [1, 0, 0, 1], config)
    assert rewards == pytest.approx([2.5, 2.3, 1, 2.5, 1, 1, 2.5, 2.3])
    assert advantages(rewards) == pytest.approx(
        [0.8281, 0.5577, -1.1999, 0.8281, -1.1999, -1.1999, 0.8281, 0.5577], abs=1e-4
    )


def test_one_right_answer() -> None:
    acc = [1.0] + [0.0] * 7
    rewards = totals(acc, [400] * 8, [0.0] * 4)
    assert rewards == pytest.approx([2.3] + [1.0] * 7)
    assert advantages(rewards) == pytest.approx([2.4743] + [-0.3535] * 7, abs=1e-4)
    assert totals(acc, [400] * 8, [0.0] * 4, DEFAULT)[0] == pytest.approx(2.5)  # the paper's rule


def test_margin() -> None:
    ordered, shuffled = [1.0, 0.0], [1.0, 1.0, 1.0, 0.0, 0.0]
    assert temporal_contrast(ordered, shuffled, PARITY).granted is True
    assert temporal_contrast(ordered, shuffled, DEFAULT).granted is False


def test_nobody_right_means_nobody_paid() -> None:
    assert temporal_contrast([0.0] * 4, [0.0] * 2, PARITY).granted is True
    assert totals([0.0] * 4, [400] * 4, [0.0] * 2) == [1.0] * 4


def test_continuous_accuracies() -> None:
    acc = [0.6, 0.05, 0.3, 0.9, 0.11, 0, 0.45, 0.72]
    terms = tgrpo_terms(acc, [0.0] * 8, [100] * 8, [0.0], PARITY)
    assert [t.total for t in terms] == pytest.approx(
        [0.9, 0.05, 0.6, 1.2, 0.41, 0, 0.75, 1.02]
    )
    ours = tgrpo_terms(acc, [0.0] * 8, [100] * 8, [0.0], DEFAULT)
    assert [t.temporal for t in ours] == [0.3, 0, 0, 0.3, 0, 0, 0, 0.3]


def test_images_and_missing_shuffled_rollouts_get_no_bonus() -> None:
    for shuffled in (None, []):
        assert totals([1.0, 0.0], [100, 100], shuffled) == [2.0, 1.0]
    assert temporal_contrast([1.0], [], PARITY).granted is None


def test_orders_are_permutations_and_repeat() -> None:
    order = shuffled_order(16, "q1/0")
    assert sorted(order) == list(range(16))
    assert order == shuffled_order(16, "q1/0")
    assert order != shuffled_order(16, "q1/1")
    with pytest.raises(ValueError, match="frames=0"):
        shuffled_order(0, 1)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="give"):
        tgrpo_terms([1.0], [1.0, 1.0], [3], None, PARITY)
    with pytest.raises(ValueError, match="not allowed"):
        tgrpo_terms([1.5], [1.0], [3], None, PARITY)
    with pytest.raises(ValueError, match="length_low"):
        TGrpoConfig(length_low=600)
