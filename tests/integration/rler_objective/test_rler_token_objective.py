"""Worked example 8.6 on verl's own loss functions: the objective our runs optimise."""

from __future__ import annotations

import pytest
import torch
from verl.trainer.ppo.core_algos import compute_policy_loss_vanilla, kl_penalty
from verl.workers.config import ActorConfig

BETA = 0.04
ACTOR = ActorConfig(
    strategy="fsdp2", rollout_n=4, ppo_micro_batch_size_per_gpu=1, clip_ratio=0.2,
    clip_ratio_low=0.2, clip_ratio_high=0.2,
)  # fmt: skip
ROWS = [  # log-probability now, old, reference; advantage; ratio, surrogate, KL, loss
    (-1.0, -1.0, -1.2, 1.0, 1.000000, 1.0, 0.018731, -0.999251),
    (-1.0, -1.5, -1.0, 1.0, 1.648721, 1.2, 0.0, -1.200000),
    (-1.0, -0.5, -1.1, -1.0, 0.606531, -0.8, 0.004837, 0.800193),
    (-1.0, -1.5, -1.0, -1.0, 1.648721, -1.648721, 0.0, 1.648721),
]


def losses(rows, mode: str) -> tuple[float, float]:
    """Surrogate loss and KL of padded sequences, each a list of rows, under verl's aggregation."""
    longest = max(map(len, rows))
    padded = [[*row, *[(0.0,) * 8] * (longest - len(row))] for row in rows]
    values = torch.tensor(padded, dtype=torch.float64)
    mask = torch.tensor([[1.0] * len(r) + [0.0] * (longest - len(r)) for r in rows])
    now, old, reference, advantage = values.unbind(-1)[:4]
    surrogate = compute_policy_loss_vanilla(old, now, advantage, mask, mode, ACTOR)[0]
    kl = kl_penalty(now, reference, "low_var_kl")
    per_sequence = (kl * mask).sum(1) / mask.sum(1)
    return float(surrogate), float(per_sequence.mean())


@pytest.mark.parametrize("row", ROWS)
def test_one_token(row) -> None:
    surrogate, kl = losses([[row]], "token-mean")
    assert torch.exp(torch.tensor(row[0] - row[1])).item() == pytest.approx(row[4], abs=1e-6)
    assert -surrogate == pytest.approx(row[5], abs=1e-6)
    assert kl == pytest.approx(row[6], abs=1e-6)
    assert surrogate + BETA * kl == pytest.approx(row[7], abs=1e-6)


def test_mean_over_tokens_then_over_completions() -> None:
    longer, shorter = [ROWS[0], ROWS[1]], [ROWS[2]]
    for rows, wanted in [
        ([longer], -1.099625), ([shorter], 0.800193), ([longer, shorter], -0.149716),
    ]:  # fmt: skip
        surrogate, kl = losses(rows, "seq-mean-token-mean")
        assert surrogate + BETA * kl == pytest.approx(wanted, abs=1e-6)
