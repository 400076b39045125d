"""Check a composed tree with verl's own classes, without a model or a device."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import omega_conf_to_dataclass, validate_config

from ffr.errors import UserError

__all__ = ["validate_grpo"]


def validate_grpo(tree: DictConfig) -> None:
    """Build verl's config dataclasses and run its own validation.

    Raises:
        UserError: verl refuses the tree; the message is verl's own.
    """
    resolved = OmegaConf.create(OmegaConf.to_container(tree, resolve=True))
    try:
        actor = resolved.actor_rollout_ref
        megatron = actor.actor.strategy == "megatron"
        engine = actor.actor.megatron if megatron else actor.actor.fsdp_config
        for node in (actor.actor, _as_actor(actor.ref, actor.actor), actor.rollout,
                     actor.actor.optim, engine, resolved.algorithm):
            omega_conf_to_dataclass(node)
        with redirect_stdout(io.StringIO()):  # it prints a line of praise
            validate_config(
                config=resolved,
                use_reference_policy=need_reference_policy(resolved),
                use_critic=need_critic(resolved),
            )
    except Exception as error:  # verl raises assertions, type and value errors
        reason = " ".join(str(error).split())[:400]
        raise UserError(
            f"verl refuses the configuration: {reason}; change the key it names"
        ) from error


def _as_actor(reference: DictConfig, actor: DictConfig) -> DictConfig:
    """The reference policy's node under the names verl's worker gives its keys."""
    found = dict(reference)
    found["ppo_mini_batch_size"] = actor.ppo_mini_batch_size
    for name in ("micro_batch_size", "micro_batch_size_per_gpu", "max_token_len_per_gpu"):
        found[f"ppo_{name}"] = found.pop(f"log_prob_{name}", None)
    found["use_dynamic_bsz"] = found.pop("log_prob_use_dynamic_bsz", False)
    return OmegaConf.create(found)
