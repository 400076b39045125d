"""An estimate of what one GPU and one node must hold (docs/guide/preflight.md has the formulas).

Parts are added up by phase, because verl's phases take turns: while the engine answers, no
activations are held; while the policy is updated, the engine sleeps.  Sources: 16 bytes a
parameter for training with Adam (weights, gradients and two moments in float32) are the usual
count; the activations follow from the operations of transformers' Qwen layers; the constants are
ours, measured or rounded up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ffr.preflight.settings import Settings
from ffr.preflight.shape import ModelShape

__all__ = [
    "Estimate",
    "device_memory",
    "engine_room",
    "host_memory",
    "kv_bytes_per_token",
    "update_parts",
]

_MASTER = 12  # Megatron's distributed optimiser: float32 weights and two moments
_MEGATRON_GRADIENT = 4
_NORM_BYTES = 8  # a norm keeps its input twice in float32
_LOGIT_COPIES = 4  # logits, their log-softmax, and the gradients of both
_GIB = 2**30
_CONTEXT = 2.0e9  # CUDA context, NCCL buffers and fragments of a training process
_ENGINE_ASLEEP = 2.5e9  # a sleeping engine's own context and captured graphs
_ENGINE_WORK = 3.0e9  # its activations and graphs while it answers
# Memory of one process, bytes: measured on the quickstart (proportional share), rounded up.
_WORKER = 0.6e9  # torch, transformers, verl and Ray imported
_CUDA_WORKER = 4.0e9  # the same with CUDA's libraries and pinned buffers (guess)
_CACHES = 0.77e9  # frames and encoded prompts an agent-loop worker keeps (student.frame_cache)
_SERVICES = 2.7e9  # driver, launcher, Ray's own processes, queue
_ENGINE_HOST = 6.0e9  # the processes of one vLLM or SGLang engine
_ROW_COPIES = 3  # in the worker, in the queue, in the trainer
_VALUE = 4  # pixels travel as float32


@dataclass(frozen=True)
class Estimate:
    """Bytes by phase and part.

    Attributes:
        phases: phase to part to bytes.
    """

    phases: Mapping[str, Mapping[str, float]]

    @property
    def worst(self) -> str:
        """The phase that needs most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def peak(self) -> float:
        """Bytes of the worst phase."""
        return sum(self.phases[self.worst].values())

    def __str__(self) -> str:
        parts = sorted(self.phases[self.worst].items(), key=lambda item: -item[1])
        small = 0.005 * self.peak
        shown = ", ".join(f"{name} {_gb(size)}" for name, size in parts if size >= small)
        return f"{_gb(self.peak)} while {self.worst} ({shown})"


def device_memory(shape: ModelShape, s: Settings, device_bytes: float) -> Estimate:
    """What one GPU must hold.

    Args:
        shape: of the student.
        s: of the run.
        device_bytes: memory of the GPU; the engine takes a share of all of it.
    """
    weights, state = _sharded(s)
    kept = {"context": _CONTEXT}
    asleep = _ENGINE_ASLEEP if s.engine else 0.0
    resident = kept | {
        "weights": 0.0 if s.offload_parameters else weights,
        "optimiser": 0.0 if s.offload_optimizer else state,
    }
    update = kept | {"sleeping engine": asleep} | update_parts(shape, s)
    phases = {"the policy is updated": update}
    if s.engine:
        engine = s.engine_share * device_bytes
        if s.engine == "transformers":  # beside the policy, as large as it needs to be
            cache = s.sequences * s.tokens * kv_bytes_per_token(shape, s.compute_bytes)
            engine = s.compute_bytes * shape.parameters + cache
        phases["the engine answers"] = resident | {"engine": engine}
        gathered = shape.largest_unit * (s.stored_bytes + s.compute_bytes) + 2.0 * _GIB
        phases["weights go to the engine"] = kept | {
            "weights": weights,
            "optimiser": resident["optimiser"],
            "engine's weights": shape.parameters * 2.0 / s.tensor_parallel,
            "gathered": gathered,
        }
    return Estimate(phases)


def engine_room(shape: ModelShape, s: Settings, device_bytes: float) -> float:
    """Sequences of full length whose keys and values one engine can hold at once."""
    room = s.tensor_parallel * (s.engine_share * device_bytes - _ENGINE_WORK)
    return (room - shape.parameters * 2.0) / (kv_bytes_per_token(shape, 2) * s.tokens)


def host_memory(shape: ModelShape, s: Settings) -> Estimate:
    """What one node must hold, without the page cache."""
    kept = {
        "services": _SERVICES,
        "training processes": s.ranks_per_node * (_WORKER if s.on_cpu else _CUDA_WORKER),
        "agent-loop workers": s.workers_per_node * (_WORKER + _CACHES),
    }
    weights, state = _sharded(s)
    if s.on_cpu:
        return Estimate(_on_cpu(shape, s, kept))
    if s.engine:
        kept["engines"] = s.ranks_per_node / s.tensor_parallel * _ENGINE_HOST
    if s.reference:
        kept["reference model"] = 2.0 * shape.parameters * s.ranks_per_node / s.ranks
    offloaded = s.offload_parameters * weights + s.offload_optimizer * state
    kept["offloaded"] = offloaded * s.ranks_per_node
    whole = float(s.stored_bytes) * shape.parameters
    # Tied embeddings cannot be built without memory: then every rank reads the whole checkpoint.
    readers = s.ranks_per_node if shape.tied else 1
    return Estimate(
        {
            "the checkpoint is read": kept | {"whole copies": whole * readers},
            "a checkpoint is written": kept | {"whole copies": whole + 2.0 * shape.parameters},
            "rows wait for the update": kept | {"rows": _rows(shape, s)},
        }
    )


def kv_bytes_per_token(shape: ModelShape, value_bytes: int) -> float:
    """Keys and values of one token in all layers."""
    return 2.0 * value_bytes * shape.layers * shape.key_value


def _sharded(s: Settings) -> tuple[float, float]:
    """Weights and optimiser state one rank keeps, bytes."""
    if s.megatron:
        return 2.0 * s.total / s.model_parallel, float(_MASTER) * s.trainable / s.ranks
    # FSDP: Adam's two moments have the type of the weights.
    stored = float(s.stored_bytes)
    return stored * s.total / s.ranks, 2 * stored * s.trainable / s.ranks


def update_parts(shape: ModelShape, s: Settings) -> dict[str, float]:
    """Parts of one optimiser step on one rank."""
    weights, state = _sharded(s)
    parts = {"weights": weights, "optimiser": state}
    working = _activations(shape, s)
    if s.megatron:
        parts["gradients"] = float(_MEGATRON_GRADIENT) * s.trainable / s.model_parallel
    else:
        parts["gradients"] = float(s.stored_bytes) * s.trainable / s.ranks
        # FSDP gathers the next unit while one is at work, and reduces the last one's gradient.
        reduced = 4 if s.trainable > shape.parameters / 2 else 0
        working["gathered weights"] = shape.largest_unit * (2.0 * s.compute_bytes + reduced)
    # Adam works on lists: for a moment as much again as the weights it changes.
    optimising = float(s.stored_bytes) * s.trainable / s.ranks
    return parts | (
        working if sum(working.values()) > optimising else {"optimiser's step": optimising}
    )


def _activations(shape: ModelShape, s: Settings) -> dict[str, float]:
    """What one micro-batch keeps for its backward pass, bytes."""
    c = s.compute_bytes
    tokens = float(s.rows * s.tokens)
    text = _layer(shape.hidden, shape.intermediate, shape.query, shape.key_value, c) * tokens
    if s.eager:
        text += s.rows * shape.heads * float(s.tokens) ** 2 * (c + 4)
    patches = float(s.rows * s.visual_tokens * shape.merge**2)
    width = shape.vision_hidden
    vision = _layer(width, shape.vision_intermediate, width, width, c, gated=False) * patches
    # One layer's share a second time, for the gradients of what it kept.
    if s.checkpointing:  # inputs of all layers, and one layer at a time in full
        text = 2 * text + shape.layers * c * shape.hidden * tokens
        vision = 2 * vision + shape.vision_layers * c * width * patches
    else:
        text *= shape.layers + 1
        vision *= shape.vision_layers + 1
    return {
        "activations": (text + vision) / s.model_parallel,
        "logits": tokens * shape.vocabulary * c * _LOGIT_COPIES / s.model_parallel,
    }


def _layer(
    hidden: int, intermediate: int, query: int, key_value: int, c: int, *, gated: bool = True
) -> float:
    """Bytes one token leaves in one layer: norms, attention, feed-forward part."""
    norms = 2 * (_NORM_BYTES + c) * hidden
    attention = c * (6 * query + 4 * key_value)  # before and after rotation, output, its input
    return norms + attention + c * (4 if gated else 3) * intermediate


def _rows(shape: ModelShape, s: Settings) -> float:
    pixels = float(s.visual_tokens * shape.visual_token_values * _VALUE)
    return s.rows_per_step * pixels * _ROW_COPIES / s.nodes


def _on_cpu(shape: ModelShape, s: Settings, kept: dict[str, float]) -> dict[str, dict[str, float]]:
    """Without accelerators everything lies in the node's memory."""
    n = s.ranks_per_node
    weights, state = _sharded(s)
    kept = kept | {"weights and optimiser": n * (weights + state)}
    if s.reference:
        kept["reference model"] = float(s.stored_bytes) * shape.parameters * n / s.ranks
    if s.engine:
        kept["engines"] = n * (_WORKER + s.compute_bytes * float(shape.parameters))
    rows = _rows(shape, s)
    update = {
        k: v * n for k, v in update_parts(shape, s).items() if k not in ("weights", "optimiser")
    }
    cache = s.sequences * s.tokens * kv_bytes_per_token(shape, s.compute_bytes)
    phases = {"the policy is updated": kept | update | {"rows": rows}}
    if s.engine:
        phases["the engine answers"] = kept | {"keys and values": n * cache, "rows": rows}
    return phases


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 0.95e9 else f"{size / 1e6:.0f} MB"
