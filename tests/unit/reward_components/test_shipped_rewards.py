"""Every shipped configuration names components that exist, with settings that go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffr.config.load import load_config
from rewards.components.scorer import ComponentScorer
from rewards.video_r2.encoders import LexicalEncoder

CONFIGS = Path(__file__).parents[3] / "configs"
NAMES = ("combined_7b", "rler_7b_lora", "rler_cpu", "video_r2_7b", "video_r2_cpu")


@pytest.mark.parametrize("name", NAMES)
def test_the_components_of_a_preset_exist(name: str) -> None:
    reward = load_config([CONFIGS / f"{name}.yaml"]).reward
    assert reward.components
    ComponentScorer(reward, encoder=LexicalEncoder())


def test_presets_keep_the_published_weights() -> None:
    rler = load_config([CONFIGS / "rler_7b_lora.yaml"])
    weights = {c.name: c.weight for c in rler.reward.components}
    assert weights == {
        "frame_sensitive": 0.2, "think_transparency": 0.3, "anti_repetition": 0.3
    }
    assert (rler.reward.accuracy_weight, rler.reward.format_weight) == (0.1, 0.1)
    assert (rler.grpo.group_size, rler.grpo.kl_coef) == (4, 0.04)
    assert rler.grpo.lora is not None
    assert (rler.grpo.lora.rank, rler.grpo.lora.alpha, rler.grpo.freeze_vision) == (8, 16, True)
    video_r2 = load_config([CONFIGS / "video_r2_7b.yaml"])
    assert video_r2.reward.component("tar") is not None
    assert video_r2.reward.tar.tolerance_s == 2.0
    assert (video_r2.grpo.lr, video_r2.student.temperature) == (1e-6, 0.9)
