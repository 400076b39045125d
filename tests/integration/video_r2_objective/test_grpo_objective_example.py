"""Spec video_r2 §10.8 on verl's own loss functions: the objective our runs optimise."""

from __future__ import annotations

import pytest
import torch
from verl.trainer.ppo.core_algos import compute_policy_loss_vanilla, kl_penalty
from verl.workers.config import ActorConfig

ACTOR = ActorConfig(
    strategy="fsdp2", rollout_n=8, ppo_micro_batch_size_per_gpu=1, clip_ratio=0.2,
    clip_ratio_low=0.2, clip_ratio_high=0.2,
)  # fmt: skip
NOW = [-0.5, -1.2, -0.1]
REFERENCE = [-0.6, -1.0, -0.1]
OLD = [-0.9, -1.1, -0.1]
BETA = 0.04


def row(values: list[float]) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def policy_loss(old: list[float], now: list[float], advantage: float) -> float:
    mask = torch.ones(1, len(now), dtype=torch.float64)
    advantages = torch.full((1, len(now)), advantage, dtype=torch.float64)
    loss = compute_policy_loss_vanilla(
        row(old), row(now), advantages, mask, "seq-mean-token-mean", ACTOR
    )[0]
    return float(loss)


def test_sequence_loss_with_kl() -> None:
    divergence = kl_penalty(row(NOW), row(REFERENCE), "low_var_kl")
    assert divergence[0].tolist() == pytest.approx([0.0048, 0.0214, 0.0], abs=1e-4)
    assert divergence.mean().item() == pytest.approx(0.0087467, abs=1e-6)
    loss = policy_loss(NOW, NOW, 0.8) + BETA * divergence.mean().item()
    assert loss == pytest.approx(-0.7996501, abs=1e-6)


@pytest.mark.parametrize(
    ("advantage", "tokens"), [(0.8, [-0.96, -0.7239, -0.8]), (-0.8, [1.1935, 0.7239, 0.8])]
)
def test_clipping_token_by_token(advantage: float, tokens: list[float]) -> None:
    for old, now, wanted in zip(OLD, NOW, tokens, strict=True):
        assert policy_loss([old], [now], advantage) == pytest.approx(wanted, abs=1e-4)
    mean = policy_loss(OLD, NOW, advantage)
    assert mean == pytest.approx(sum(tokens) / 3, abs=1e-4)
    if advantage > 0:
        assert mean == pytest.approx(-0.827957, abs=1e-6)
