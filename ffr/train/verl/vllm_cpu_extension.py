"""What the vLLM worker process can do on top of vLLM: take new weights from a file."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from safetensors import safe_open

from ffr.train.verl import vllm_cpu_metadata

vllm_cpu_metadata.install()  # vLLM imports this module by name in a process of its own

from verl.workers.rollout.vllm_rollout.utils import vLLMColocateWorkerExtension  # noqa: E402
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead  # noqa: E402

__all__ = ["CpuWorkerExtension"]


class CpuWorkerExtension(vLLMColocateWorkerExtension):  # type: ignore[misc]
    """Mixed into vLLM's worker."""

    def load_weights_file(self, path: str) -> None:
        """Replace all weights with those of a safetensors file, through vLLM's own reload.

        Raises:
            Exception: a name or shape does not match the model.
        """
        self.model_runner.reload_weights(weights_iterator=_tensors(path))
        for layer in self.model_runner.get_model().modules():
            # An output layer tied to the embedding gets no weights of its own, so vLLM leaves its
            # packed copy of the old ones in place.
            if isinstance(layer, ParallelLMHead):
                layer.quant_method.process_weights_after_loading(layer)


def _tensors(path: str) -> Iterator[tuple[str, torch.Tensor]]:
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  (not a mapping)
            # The file is gone after the call, while vLLM may keep what it is given.
            yield name, file.get_tensor(name).clone()
