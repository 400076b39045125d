"""A rollout engine for verl on ``transformers.generate``: small models, any device.

Three parts, as verl wants them: the *server* (a Ray actor with the model), the
*replica* (launches the server) and the *adapter* (lives in the training worker and
pushes new weights).  Requests that arrive together are generated as one batch.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Generator
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from verl.utils.device import get_device_name
from verl.workers.rollout import base as rollout_base
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, RolloutReplicaRegistry, TokenOutput

from ffr.config.student import StudentConfig
from student.batching import MicroBatcher
from student.generate import BatchGenerator, GenerationOutput, GenerationRequest
from student.model import load_model
from student.processor import StudentProcessor
from student.sampling import SamplingParams

__all__ = ["NAME", "HfReplica", "HfServer", "HfServerAdapter", "register"]

NAME = "ffr_hf"


def _server_name(replica_rank: int) -> str:
    return f"{NAME}_server_{os.environ.get('FFR_RUN_ID', 'run')}_{replica_rank}"


class HfServer:
    """The model behind a request queue (wrapped as a Ray actor by the replica)."""

    def __init__(self, model_path: str, config: dict[str, Any]) -> None:
        if threads := os.environ.get("FFR_TORCH_THREADS"):
            torch.set_num_threads(int(threads))
        student = StudentConfig(
            dtype=config["dtype"], attention="sdpa", max_response_tokens=config["response_length"]
        )
        model = load_model(model_path, student, device=get_device_name())
        self._processor = StudentProcessor(model_path)
        self._generator = BatchGenerator(model, self._processor)
        self._batcher = MicroBatcher(self._timed_generate, max_batch=config["max_num_seqs"])
        self._busy_s = 0.0
        self._response_length = int(config["response_length"])
        self._global_steps: int | None = None

    async def generate(
        self,
        request_id: str,
        prompt_ids: list[int],
        sampling_params: dict[str, Any],
        image_data: list[Any] | None = None,
        video_data: list[Any] | None = None,
        priority: int = 0,
    ) -> TokenOutput:
        """Sample one response to expanded ``prompt_ids`` with their raw media beside them."""
        prompt = await asyncio.to_thread(
            self._processor.encode_expanded, prompt_ids, image_data or (), video_data or ()
        )
        sampling = SamplingParams(
            max_new_tokens=int(sampling_params.get("max_tokens") or self._response_length),
            temperature=float(sampling_params.get("temperature", 1.0)),
            top_p=float(sampling_params.get("top_p", 1.0)),
            seed=int(sampling_params.get("seed") or 0),
        )
        output = await self._batcher.submit(GenerationRequest(prompt, sampling))
        return TokenOutput(
            token_ids=list(output.token_ids),
            log_probs=list(output.log_probs),
            stop_reason="completed",
            extra_fields={"global_steps": self._global_steps},
        )

    async def update_weights(
        self, weights: dict[str, torch.Tensor], global_steps: int | None
    ) -> None:
        """Load a full set of weights, between batches.

        Raises:
            ValueError: names or shapes do not match the model.
        """
        await asyncio.to_thread(self._generator.load_weights, weights)
        if global_steps is not None:
            self._global_steps = global_steps

    def _timed_generate(self, requests: list[GenerationRequest]) -> list[GenerationOutput]:
        began = time.monotonic()
        try:
            return self._generator.generate(requests)
        finally:
            self._busy_s += time.monotonic() - began

    async def busy_seconds(self) -> float:
        """Seconds spent generating since the last call."""
        busy, self._busy_s = self._busy_s, 0.0
        return busy

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
            self._server = self._find_server()
        await self._server.update_weights.remote(gathered, global_steps)

    def _find_server(self) -> Any:
        return ray.get_actor(_server_name(self.replica_rank))


def register() -> None:
    """Make ``rollout.name: ffr_hf`` known to verl in this process."""
    RolloutReplicaRegistry.register(NAME, lambda: HfReplica)
    # The one private registry of verl we write to: it has no register function.
    rollout_base._ROLLOUT_REGISTRY[(NAME, "async")] = f"{__name__}.{HfServerAdapter.__name__}"
