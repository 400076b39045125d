"""Keys of verl that would have no effect in this trainer: refused rather than ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ffr.errors import UserError

__all__ = ["refuse_ineffective"]

_GROUPS = "set advantage.*: every row comes with its advantage"
_REWARD = "set reward.*: every row comes with its reward"
_INSTEAD = {
    "actor_rollout_ref.actor.checkpoint.async_save": "a checkpoint counts once it is whole",
    "actor_rollout_ref.actor.ppo_mini_batch_size": "one update covers all rows of a step",
    "actor_rollout_ref.actor.shuffle": "one update covers all rows of a step",
    "actor_rollout_ref.rollout.n": "set grpo.group_size",
    "algorithm.adv_estimator": _GROUPS,
    "algorithm.filter_groups": "groups without signal cost nothing with advantage.groups=split",
    "algorithm.norm_adv_by_std_in_grpo": _GROUPS,
    "algorithm.rollout_correction": "rows carry no log-probabilities of the rollout engine",
    "algorithm.use_kl_in_reward": "set grpo.kl_coef",
    "critic": "there is no critic in GRPO",
    "distillation": "the teacher here writes patches; set teacher.*",
    "reward.custom_reward_function": _REWARD,
    "reward.reward_manager": _REWARD,
    "reward.reward_model": _REWARD,
    "trainer.max_actor_ckpt_to_keep": "set grpo.keep_checkpoints",
    "trainer.resume_from_path": "say --resume PATH",
    "trainer.resume_mode": "say --resume auto, never or PATH",
    "trainer.use_v1": "repair needs verl's V1 trainer",
    "trainer.v1.sampler": "rows of a step are used in that step",
    "trainer.v1.trainer_mode": "rows of a step are used in that step",
}


def refuse_ineffective(block: Mapping[str, Any]) -> None:
    """Check the user's ``verl:`` block of a GRPO stage.

    Raises:
        UserError: it sets a key that this trainer does not read; the message says what to do.
    """
    for key in _dotted(block):
        for prefix, instead in _INSTEAD.items():
            if key == prefix or key.startswith(f"{prefix}."):
                raise UserError(f"verl.{key} has no effect here ({instead}); remove it")


def _dotted(block: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in block.items():
        path = prefix + key.removeprefix("+")
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{path}.")
        else:
            yield path
