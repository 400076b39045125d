"""verl's FSDP2 engine on CPU tensors."""

from __future__ import annotations

from typing import Any

from verl.workers.engine.base import EngineRegistry
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

__all__ = ["CpuFsdpEngine"]


@EngineRegistry.register(model_type="language_model", backend=["fsdp2"], device=["cpu"])
class CpuFsdpEngine(FSDPEngineWithLMHead):  # type: ignore[misc]
    """FSDP2 without pinned memory: there is no accelerator to copy to."""

    def _build_fsdp_module(self, module: Any) -> Any:
        # The stock method offloads forward-only (reference) models through pinned memory, which
        # needs an accelerator. Here the reference is sharded like the actor.
        forward_only = self.engine_config.forward_only
        object.__setattr__(self.engine_config, "forward_only", False)  # verl's configs are frozen
        try:
            return super()._build_fsdp_module(module)
        finally:
            object.__setattr__(self.engine_config, "forward_only", forward_only)
