"""Our settings as verl's Megatron engine takes them; its own keys pass through the ``verl:`` block.

Composed and validated against verl's configuration classes only: Megatron needs GPUs, and none has
run it here.
"""

from __future__ import annotations

from typing import Any

from ffr.config.schema import RunConfig
from ffr.errors import UserError

__all__ = ["OVERRIDES", "as_megatron"]

OVERRIDES = ("model_engine=megatron",)
"""What makes verl's tree one of Megatron."""

_RECOMPUTE = {
    "recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1,
}  # fmt: skip


def as_megatron(values: dict[str, Any], config: RunConfig) -> dict[str, Any]:
    """Replace what is FSDP's in the values of a GRPO stage.

    Args:
        values: as for FSDP2; left as they are.
        config: resolved.

    Raises:
        UserError: a setting that verl's Megatron engine does not have.
    """
    grpo = config.grpo
    if grpo.freeze_vision and grpo.lora is None:
        raise UserError(
            "grpo.freeze_vision=true with hardware.strategy=megatron is not possible without LoRA "
            "(verl's engine freezes parts for adapters only); set it to false, set grpo.lora, or "
            "use fsdp2"
        )
    if grpo.lora is not None and grpo.lora.target_modules != "all-linear":
        raise UserError(
            f"grpo.lora.target_modules={grpo.lora.target_modules!r} names modules of transformers; "
            "with hardware.strategy=megatron use all-linear, and Megatron's own names in "
            "verl.actor_rollout_ref.model.lora.target_modules"
        )
    if config.student.dtype != "bfloat16":
        raise UserError(
            f"student.dtype={config.student.dtype} with hardware.strategy=megatron: verl's engine "
            "trains in bfloat16; set it, or use fsdp2"
        )
    nodes = values["actor_rollout_ref"]
    actor = {k: v for k, v in nodes["actor"].items() if k not in ("fsdp_config", "grad_clip")}
    optim = {k: v for k, v in actor["optim"].items() if k != "lr_scheduler_type"}
    optim |= {"lr_decay_style": grpo.schedule, "lr_decay_steps": grpo.steps}
    ref = {k: v for k, v in nodes["ref"].items() if k != "fsdp_config"}
    engine = {"seed": config.seed, "override_transformer_config": _RECOMPUTE}
    actor |= {
        "strategy": "megatron", "optim": optim, "megatron": engine, "freeze_vision_tower": False,
    }  # fmt: skip
    changed = {
        "model": _model(nodes["model"], config), "actor": actor,
        "ref": ref | {"strategy": "megatron"},
    }  # fmt: skip
    return {**values, "actor_rollout_ref": nodes | changed}


def _model(model: dict[str, Any], config: RunConfig) -> dict[str, Any]:
    lora = config.grpo.lora
    model = {**model, "lora_rank": 0, "use_remove_padding": True}  # as in verl's own recipes
    if lora is not None:
        frozen = config.grpo.freeze_vision
        model["lora"] = {
            "merge": True, "rank": lora.rank, "alpha": lora.alpha,
            "freeze_vision_model": frozen, "freeze_vision_projection": frozen,
        }  # fmt: skip
    return model
