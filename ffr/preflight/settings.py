"""What the memory of a run depends on, read from its configuration and its ``verl:`` block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ffr.config.schema import RunConfig
from ffr.preflight.shape import ModelShape
from ffr.repair.rows import row_budget
from ffr.train.budget import budget

__all__ = ["Settings", "read_settings", "verl_value"]

_ACTOR = "actor_rollout_ref.actor"


@dataclass(frozen=True)
class Settings:
    """Numbers of one run; tokens and sizes are upper bounds.

    Attributes:
        ranks, ranks_per_node: training processes, all and on one node.
        tensor_parallel: devices of one rollout engine.
        model_parallel: devices one copy of the trained weights is split over before sharding
            (Megatron's tensor and pipeline parallelism).
        rows: rows of one micro-batch.
        tokens: of one row, prompt and response.
        visual_tokens: of one row.
        compute_bytes, stored_bytes: of one weight in a forward pass, and as it is trained.
        sequences: answers one engine may be asked for at once.
        rows_per_step: of all nodes.
    """

    on_cpu: bool
    nodes: int
    ranks: int
    ranks_per_node: int
    tensor_parallel: int
    megatron: bool
    model_parallel: int
    rows: int
    tokens: int
    visual_tokens: int
    compute_bytes: int
    stored_bytes: int
    checkpointing: bool
    eager: bool
    trainable: int
    total: int
    reference: bool
    offload_parameters: bool
    offload_optimizer: bool
    engine: str
    engine_share: float
    sequences: int
    rows_per_step: int
    workers_per_node: int


def read_settings(
    config: RunConfig,
    shape: ModelShape,
    stage: Literal["sft", "grpo"] = "grpo",
    *,
    prompt_tokens: int | None = None,
) -> Settings:
    """The settings of one stage.

    Args:
        config: resolved.
        shape: of the student.
        stage: which of them; SFT has no engine.
        prompt_tokens: the longest prompt, where it was measured; default: the bound that
            follows from the configuration.
    """
    grpo, student, hardware, block = config.grpo, config.student, config.hardware, config.verl
    trains = stage == "grpo"
    limits = budget(config)
    prompt = prompt_tokens or limits.prompt_tokens_bound
    on_cpu = hardware.platform == "cpu"
    ranks = hardware.nodes * hardware.devices_per_node
    compute = 4 if student.dtype == "float32" else 2
    part_config = grpo if trains else config.sft
    lora = part_config.lora.rank if part_config.lora else None
    trainable = shape.trainable(lora_rank=lora, freeze_vision=part_config.freeze_vision)
    adapters = lora * shape.adapter if lora else 0
    megatron = trains and hardware.strategy == "megatron"
    part = f"{_ACTOR}.{'megatron' if megatron else 'fsdp_config'}"
    parallel = 1
    if megatron:
        parallel = int(verl_value(block, f"{part}.tensor_model_parallel_size", 1)) * int(
            verl_value(block, f"{part}.pipeline_model_parallel_size", 1)
        )
    half = megatron or verl_value(block, f"{part}.model_dtype", "fp32") in ("bf16", "bfloat16")
    wide = int(verl_value(block, "actor_rollout_ref.rollout.tensor_model_parallel_size", 1))
    repairs = 0 if config.teacher.kind == "none" else grpo.group_size
    engines = max(ranks // wide, 1)
    asked = grpo.questions_per_step * (grpo.group_size + repairs)
    return Settings(
        on_cpu=on_cpu,
        nodes=hardware.nodes,
        ranks=ranks,
        ranks_per_node=hardware.devices_per_node,
        tensor_parallel=wide,
        megatron=megatron,
        model_parallel=parallel,
        rows=grpo.micro_batch_size if trains else config.sft.micro_batch_size,
        tokens=min(prompt, student.max_prompt_tokens) + student.max_response_tokens,
        visual_tokens=limits.video_tokens + limits.patch_tokens,
        compute_bytes=compute,
        stored_bytes=2 if half else 4,
        checkpointing=not on_cpu,
        eager=student.attention == "eager",
        trainable=trainable,
        total=shape.parameters + adapters,
        reference=trains and grpo.kl_coef > 0 and lora is None,
        offload_parameters=bool(verl_value(block, f"{part}.param_offload", False)),
        offload_optimizer=bool(verl_value(block, f"{part}.optimizer_offload", False)),
        engine=hardware.rollout if trains else "",
        engine_share=hardware.gpu_memory_utilization if trains and not on_cpu else 0.0,
        sequences=min(-(-asked // engines), 256),
        rows_per_step=grpo.questions_per_step
        * row_budget(config.repair, config.advantage, grpo.group_size),
        workers_per_node=hardware.rollout_workers if trains else 0,
    )


def verl_value(block: dict[str, Any], key: str, default: Any) -> Any:
    """A value of the ``verl:`` block by its dotted key, with or without ``+`` before a part."""
    found: Any = block
    for part in key.split("."):
        if not isinstance(found, dict):
            return default
        found = found.get(part, found.get(f"+{part}", default))
    return found
