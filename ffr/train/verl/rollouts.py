"""Make our rollout engines known to verl, in the processes that look them up."""

from __future__ import annotations

from ffr.train.verl import hf_rollout, vllm_cpu

__all__ = ["register_rollout"]


def register_rollout(name: str) -> None:
    """Register the engine ``name`` if it is one of ours; verl knows its own."""
    for engine in (hf_rollout, vllm_cpu):
        if name == engine.NAME:
            engine.register()
