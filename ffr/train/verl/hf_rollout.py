"""A rollout engine for verl on ``transformers.generate``: small models, any device.

Three parts, as verl wants them: the *server* (a Ray actor with the model), the
*replica* (launches the server) and the *adapter* (lives in the training worker and
pushes new weights).  Requests that arrive together are generated as one batch.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from verl.workers.rollout import base as rollout_base
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry, TokenOutput

__all__ = ["NAME", "HfReplica", "HfServer", "HfServerAdapter", "register"]

NAME = "ffr_hf"


def _server_name(replica_rank: int) -> str:
    return f"{NAME}_server_{os.environ.get('FFR_RUN_ID', 'run')}_{replica_rank}"


class HfServer:
    """The model behind a request queue (wrapped as a Ray actor by the replica)."""

    def __init__(self, model_path: str, config: dict[str, Any]) -> None:
        from student.generate import BatchGenerator, GenerationQueue

        if threads := os.environ.get("FFR_TORCH_THREADS"):
            torch.set_num_threads(int(threads))
        self._generator = BatchGenerator.load(model_path, dtype=config["dtype"])
        self._queue = GenerationQueue(self._generator, max_batch=config["max_num_seqs"])
        self._response_length = int(config["response_length"])
        self._global_steps: int | None = None

    async def generate(
        self,
        request_id: str,
        prompt_ids: list[int],
        sampling_params: dict[str, Any],
        image_data: Any = None,
        video_data: Any = None,
        multi_modal_inputs: dict[str, torch.Tensor] | None = None,
        priority: int = 0,
    ) -> TokenOutput:
        """Sample one response.

        ``multi_modal_inputs`` are the processor's tensors for exactly ``prompt_ids``; raw
        media are refused because a second processing could disagree with the first.

        Raises:
            ValueError: raw media without processed tensors.
        """
        from student.generate import GenerationRequest

        if multi_modal_inputs is None and (image_data or video_data):
            raise ValueError(f"{NAME} takes processed multi_modal_inputs, not raw media")
        output = await self._queue.submit(
            GenerationRequest(
                prompt_ids=tuple(prompt_ids),
                multi_modal_inputs=multi_modal_inputs or {},
                temperature=float(sampling_params.get("temperature", 1.0)),
                top_p=float(sampling_params.get("top_p", 1.0)),
                max_new_tokens=int(sampling_params.get("max_tokens") or self._response_length),
                seed=sampling_params.get("seed"),
            )
        )
        return TokenOutput(
            token_ids=list(output.token_ids),
            log_probs=list(output.log_probs),
            stop_reason="completed" if output.finish_reason == "stop" else "length",
            extra_fields={"global_steps": self._global_steps},
        )

    async def update_weights(self, weights: dict[str, torch.Tensor], global_steps: int | None) -> None:
        """Load a full set of weights; raises KeyError when names do not match the model."""
        await asyncio.to_thread(self._generator.load_weights, weights)
        if global_steps is not None:
            self._global_steps = global_steps

    async def set_global_steps(self, global_steps: int) -> None:
        """Remember which update the weights belong to."""
        self._global_steps = global_steps

    async def sleep(self) -> None:
        """Nothing to free: the model is small and stays resident."""

    async def wake_up(self) -> None:
        """Nothing to restore."""

    async def clear_kv_cache(self) -> None:
        """No cache outlives a batch."""

    async def release_kv_cache(self) -> None:
        """No cache outlives a batch."""

    async def resume_kv_cache(self) -> None:
        """No cache outlives a batch."""

    async def abort_all_requests(self, reject_request: bool = False) -> None:
        """Let what is running finish: batches are short."""

    async def resume_generation(self) -> None:
        """Generation is never paused."""


class HfReplica(RolloutReplica):  # type: ignore[misc]
    """Launches one :class:`HfServer` beside its training workers."""

    async def launch_servers(self) -> None:
        node_id = await self.workers[0].__ray_call__.remote(
            lambda _worker: ray.get_runtime_context().get_node_id()
        )
        # Requests wait in the server while a batch runs, so many must be allowed in at once.
        server = (
            ray.remote(HfServer)
            .options(
                name=_server_name(self.replica_rank),
                num_cpus=1,
                max_concurrency=self.max_concurrency,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node_id, soft=False),
            )
            .remote(
                self.model_config.path,
                {
                    "dtype": self.config.dtype,
                    "max_num_seqs": self.config.max_num_seqs,
                    "response_length": self.config.response_length,
                },
            )
        )
        await server.set_global_steps.remote(0)  # waits until the model is loaded
        self.servers = [server]
        self._server_handle = server
        self._server_address = _server_name(self.replica_rank)


class HfServerAdapter(BaseRollout):  # type: ignore[misc]
    """The training worker's end: gathers full weights and sends them to its server."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, **kwargs: Any) -> None:
        super().__init__(config, model_config, device_mesh)
        rank = int(os.environ["RANK"])
        per_replica = (
            self.config.tensor_model_parallel_size
            * self.config.data_parallel_size
            * self.config.pipeline_model_parallel_size
        )
        self.replica_rank = rank // per_replica
        self._leader = rank % per_replica == 0
        self._server: Any = None

    async def resume(self, tags: list[str]) -> None:
        """Weights are always resident."""

    async def release(self) -> None:
        """Weights stay resident."""

    async def update_weights(
        self,
        weights: Generator[tuple[str, torch.Tensor], None, None],
        global_steps: int | None = None,
        wire_format: str = "named_tensors",
        **_kwargs: Any,
    ) -> None:
        """Send all weights in one message through Ray's shared memory."""
        if wire_format != "named_tensors":
            raise ValueError(f"wire_format={wire_format!r} is not supported; use named_tensors")
        # Every rank must walk the generator: each tensor is a collective gather.
        gathered = {name: tensor.detach().cpu() for name, tensor in weights}
        if not self._leader:
            return
        if self._server is None:
            self._server = ray.get_actor(_server_name(self.replica_rank))
        await self._server.update_weights.remote(gathered, global_steps)


def register() -> None:
    """Make ``rollout.name: ffr_hf`` known to verl in this process."""
    RolloutReplicaRegistry.register(NAME, lambda: HfReplica)
    # The one private registry of verl we write to: it has no register function.
    rollout_base._ROLLOUT_REGISTRY[(NAME, "async")] = f"{__name__}.{HfServerAdapter.__name__}"
