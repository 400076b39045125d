"""verl's vLLM server and replica, with weights that reach a CPU build.

verl streams weights in buckets and loads each one into the running model.  Linear layers
on CPUs pack their weights and drop the originals, so the second load fails, and the
sender then waits for ever for an acknowledgement.  Here all weights go in one piece
through shared memory to vLLM's own reload, and a failure comes back as an exception.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray
import torch
from safetensors.torch import save_file

from ffr.train.verl import vllm_cpu_metadata

vllm_cpu_metadata.install()

from verl.workers.rollout.vllm_rollout.vllm_async_server import (  # noqa: E402
    vLLMHttpServer,
    vLLMReplica,
)

from ffr.train.verl.vllm_cpu_metadata import NAME  # noqa: E402

__all__ = ["VllmCpuReplica", "VllmCpuServer"]

_EXTENSION = "ffr.train.verl.vllm_cpu_extension.CpuWorkerExtension"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (files in private folders, for one call)


class VllmCpuServer(vLLMHttpServer):  # type: ignore[misc]
    """One vLLM engine (wrapped as a Ray actor by the replica)."""

    def _get_worker_extension_cls(self) -> str:
        return _EXTENSION

    def _preprocess_engine_kwargs(self, engine_kwargs: dict[str, Any]) -> None:
        super()._preprocess_engine_kwargs(engine_kwargs)
        # The cache size is given, so nothing is learned from encoding the largest image possible.
        engine_kwargs.setdefault("skip_mm_profiling", True)

    async def update_weights(
        self, weights: dict[str, torch.Tensor], global_steps: int | None
    ) -> None:
        """Replace all weights, and forget everything computed with the old ones.

        Args:
            weights: the full state dict by checkpoint name; tied weights may be left out.
            global_steps: the update that made them.

        Raises:
            Exception: vLLM could not load them; its model is unusable then.
        """
        root = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="ffr_weights_", dir=root) as folder:
            file = Path(folder) / "weights.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
            await self.engine.collective_rpc("load_weights_file", args=(str(file),))
        await self.clear_kv_cache()
        if global_steps is not None:
            await self.set_global_steps(global_steps)


class VllmCpuReplica(vLLMReplica):  # type: ignore[misc]
    """Launches one :class:`VllmCpuServer` beside its training workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.server_class = ray.remote(VllmCpuServer)

    def _get_server_name_prefix(self) -> str:
        return f"{NAME}_"
