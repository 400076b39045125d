"""From our configuration to verl's: the composed Hydra tree of a GRPO or SFT stage.

Our keys decide; the user's ``verl:`` block is merged last and wins.  Composing goes
through Hydra and verl's own config classes, so an unknown key fails here, before any
machine is used.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict

from ffr.config.schema import LoraConfig, RunConfig
from ffr.errors import UserError
from ffr.repair.rows import row_budget
from ffr.train.verl.megatron import OVERRIDES, as_megatron
from ffr.train.verl.refused import refuse_ineffective

__all__ = ["GrpoPaths", "grpo_tree", "sft_tree"]

_DTYPES = {"float32": ("fp32", "float32"), "bfloat16": ("bf16", "bfloat16")}
_ENGINES = {
    "vllm": "vllm", "sglang": "sglang", "transformers": "ffr_hf", "vllm_cpu": "ffr_vllm_cpu",
}

_VLLM_CPU_ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; the default is a share of the machine's memory
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # binding would pile all processes onto the same cores
    # No student uses multi-head latent attention, and asking whether Qwen3-VL's does fails on CPUs.
    "VLLM_MLA_DISABLE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


class GrpoPaths:
    """Where a GRPO stage reads and writes."""

    def __init__(
        self, *, run_dir: Path, model: Path | str, train: Path, validation: Path, media_root: Path,
        store_dir: Path, checkpoints: Path, frame_cache: Path | None = None,
        teacher_base_url: str | None = None,
    ) -> None:
        self.run_dir, self.model, self.checkpoints = run_dir, model, checkpoints
        self.train, self.validation, self.media_root = train, validation, media_root
        self.store_dir, self.frame_cache = store_dir, frame_cache
        self.teacher_base_url = teacher_base_url

    def custom(self) -> dict[str, str | None]:
        """What the agent-loop workers need to know, through verl's free slot."""
        return {
            "run_dir": str(self.run_dir),
            "media_root": str(self.media_root),
            "store_dir": str(self.store_dir),
            "frame_cache": str(self.frame_cache) if self.frame_cache else None,
            "teacher_base_url": self.teacher_base_url,
        }


def grpo_tree(config: RunConfig, paths: GrpoPaths) -> DictConfig:
    """The resolved tree for verl's PPO trainer.

    Raises:
        UserError: the ``verl:`` block names a key that verl does not have, or that has no
            effect here.
    """
    refuse_ineffective(config.verl)
    values = _grpo_values(config, paths)
    if config.hardware.strategy == "megatron":
        return _composed("ppo_trainer", as_megatron(values, config), config.verl, OVERRIDES)
    return _composed("ppo_trainer", values, config.verl)


def sft_tree(
    config: RunConfig, *, model: Path | str, records: Path, media_root: Path, run_dir: Path,
    checkpoints: Path, patch_media: Path | None = None,
) -> DictConfig:
    """The resolved tree for verl's SFT trainer.

    ``patch_media`` holds the images of the records' patches; default: ``media`` beside the file.
    """
    values = _sft_values(config, model, records, media_root, run_dir, checkpoints)
    values["data"]["ffr"]["patch_media"] = str(patch_media or records.parent / "media")
    return _composed("sft_trainer_engine", values, dict(config.verl.get("sft", {})))


def _composed(
    name: str, values: dict[str, Any], block: dict[str, Any], overrides: tuple[str, ...] = ()
) -> DictConfig:
    tree = _stock(name, overrides).copy()
    with open_dict(tree):
        merged = OmegaConf.merge(tree, values)
    known, added = _split_plus({k: v for k, v in block.items() if k != "sft"})
    try:
        OmegaConf.set_struct(merged, True)
        result = OmegaConf.merge(merged, known)
        with open_dict(result):
            result = OmegaConf.merge(result, added)
    except Exception as error:  # OmegaConf raises several kinds; all of them are about a key
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"verl: {reason}; see the keys with --dry-run, or write verl.+key to add one"
        ) from error
    assert isinstance(result, DictConfig)
    return result


@cache
def _stock(name: str, overrides: tuple[str, ...] = ()) -> DictConfig:
    """verl's own tree with its defaults; composing takes about a second."""
    GlobalHydra.instance().clear()
    with initialize_config_module(config_module="verl.trainer.config", version_base=None):
        return hydra_compose(config_name=name, overrides=list(overrides))


def _split_plus(block: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell keys verl's tree must have from those to be added, which are written ``+key``."""
    known: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for key, value in block.items():
        if key.startswith("+"):
            added[key[1:]] = value
        elif isinstance(value, dict):
            inner_known, inner_added = _split_plus(value)
            if inner_known or not inner_added:
                known[key] = inner_known
            if inner_added:
                added[key] = inner_added
        else:
            known[key] = value
    return known, added


def _grpo_values(config: RunConfig, paths: GrpoPaths) -> dict[str, Any]:
    grpo, student, hardware = config.grpo, config.student, config.hardware
    on_cpu = hardware.platform == "cpu"
    precision, dtype = _DTYPES[student.dtype]
    kl = grpo.kl_coef > 0
    fsdp: dict[str, Any] = {
        "strategy": "fsdp2",
        "mixed_precision": _mixed_precision(precision),
        "use_torch_compile": not on_cpu,
        "seed": config.seed,
    }
    return {
        "data": {
            "train_files": str(paths.train),
            "val_files": str(paths.validation),
            "train_batch_size": grpo.questions_per_step,
            "val_batch_size": None,
            "max_prompt_length": student.max_prompt_tokens,
            "max_response_length": student.max_response_tokens,
            "dataloader_num_workers": 0,
            "shuffle": True,
            "seed": config.seed,
            "custom_cls": {"path": "pkg://ffr.train.verl.dataset", "name": "QuestionDataset"},
        },
        "actor_rollout_ref": {
            "model": {
                "path": str(paths.model),
                "use_remove_padding": student.attention == "flash_attention_2",
                "enable_gradient_checkpointing": not on_cpu,
                "override_config": {"attn_implementation": student.attention},
                **_lora_values(grpo.lora),
                **({"lora": {"merge": True}} if grpo.lora else {}),
            },
            "actor": {
                "strategy": "fsdp2",
                "freeze_vision_tower": grpo.freeze_vision,
                "ppo_mini_batch_size": grpo.questions_per_step,
                "ppo_micro_batch_size_per_gpu": grpo.micro_batch_size,
                "ppo_epochs": 1,
                "clip_ratio": grpo.clip_ratio,
                "clip_ratio_low": grpo.clip_ratio,  # these two have defaults that would win
                "clip_ratio_high": grpo.clip_ratio,
                "loss_agg_mode": grpo.loss_aggregation,
                "entropy_coeff": 0.0,
                "use_kl_loss": kl,
                "kl_loss_coef": grpo.kl_coef,
                "kl_loss_type": "low_var_kl",
                "grad_clip": grpo.max_grad_norm,
                "use_torch_compile": not on_cpu,
                "optim": {
                    "lr": grpo.lr,
                    "weight_decay": grpo.weight_decay,
                    "lr_warmup_steps": grpo.warmup_steps,
                    "lr_scheduler_type": grpo.schedule,
                    "clip_grad": grpo.max_grad_norm,
                },
                "fsdp_config": fsdp,
                "checkpoint": {"save_contents": ["model", "optimizer", "extra", "hf_model"]},
            },
            "ref": {
                "strategy": "fsdp2",
                "log_prob_micro_batch_size_per_gpu": grpo.micro_batch_size,
                "fsdp_config": {**fsdp, "forward_only": True},
            },
            "rollout": {
                "name": _ENGINES[hardware.rollout],
                "n": grpo.group_size,
                "temperature": student.temperature,
                "top_p": student.top_p,
                "top_k": -1,
                "dtype": dtype,
                "seed": config.seed,
                "tensor_model_parallel_size": 1,
                "gpu_memory_utilization": hardware.gpu_memory_utilization,
                "log_prob_micro_batch_size_per_gpu": grpo.micro_batch_size,
                "max_model_len": student.max_prompt_tokens + student.max_response_tokens,
                "calculate_log_probs": False,
                "free_cache_engine": not on_cpu,
                "enforce_eager": on_cpu,
                "enable_sleep_mode": not on_cpu,
                "load_format": "auto" if on_cpu else "dummy",
                "val_kwargs": {"n": 1, "temperature": 0.0, "do_sample": False},
                "agent": {
                    "num_workers": hardware.nodes * hardware.rollout_workers,
                    "default_agent_loop": "ffr",
                    "agent_loop_manager_class": "ffr.train.verl.agent.RepairManager",
                },
                "custom": {"ffr": {
                    **paths.custom(),
                    "row_budget": row_budget(config.repair, config.advantage, grpo.group_size),
                    "keep_checkpoints": grpo.keep_checkpoints,
                }},
            },
        },
        "algorithm": {"adv_estimator": "grpo", "use_kl_in_reward": False},
        "reward": {"num_workers": 1},
        "trainer": {
            "project_name": "ffr",
            "experiment_name": f"{config.name}-grpo",
            "logger": list(config.loggers),
            "nnodes": hardware.nodes,
            "n_gpus_per_node": hardware.devices_per_node,
            "total_training_steps": grpo.steps,
            "total_epochs": 1_000_000,  # steps decide
            "save_freq": grpo.save_every,
            "test_freq": grpo.validate_every or -1,
            "val_before_train": False,
            "resume_mode": "disable",  # the launcher names the checkpoint to go on from
            "default_local_dir": str(paths.checkpoints),
            "max_actor_ckpt_to_keep": None,  # verl forgets at a restart which ones it made
            "device": hardware.platform,
            "use_v1": True,
            "v1": {"trainer_mode": "ffr_sync"},
        },
        "ray_kwargs": {"ray_init": _ray_init(config)},
        "transfer_queue": {
            # Each unit is a process; verl's eight are for many nodes.
            "backend": {"SimpleStorage": {"num_data_storage_units": 2 * hardware.nodes - on_cpu}}
        },
    }


def _lora_values(lora: LoraConfig | None) -> dict[str, Any]:
    return {
        "lora_rank": lora.rank if lora else 0,
        "lora_alpha": lora.alpha if lora else 16,
        "target_modules": lora.target_modules if lora else "all-linear",
    }


def _mixed_precision(param_dtype: str) -> dict[str, str]:
    return {"param_dtype": param_dtype, "reduce_dtype": "fp32", "buffer_dtype": "fp32"}


def _ray_init(config: RunConfig) -> dict[str, Any]:
    hardware = config.hardware
    # With several nodes, a Ray of one's own on this one would wait for the others for ever.
    joined = {"address": "auto"} if hardware.nodes > 1 else {}
    if hardware.platform != "cpu":
        return joined
    threads = str(hardware.threads or 1)
    env = {
        "VERL_PLATFORM": "cpu",
        "FFR_TORCH_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
    }
    if hardware.rollout == "vllm_cpu":
        env |= _VLLM_CPU_ENVIRONMENT
    if joined:  # what the nodes have was said when they were started
        return {**joined, "runtime_env": {"env_vars": env}}
    return {
        "address": "local",  # never a cluster that happens to run here
        # Logical resources: too few and the run would wait for ever without a word.
        "num_cpus": 12 + 4 * hardware.devices_per_node + hardware.rollout_workers,
        "num_gpus": hardware.devices_per_node,
        "include_dashboard": False,
        "object_store_memory": 2**30,  # Ray would reserve 30 % of the machine
        "runtime_env": {"env_vars": env},
    }


def _sft_values(
    config: RunConfig, model: Path | str, records: Path, media_root: Path, run_dir: Path,
    checkpoints: Path,
) -> dict[str, Any]:
    sft, student, hardware = config.sft, config.student, config.hardware
    on_cpu = hardware.platform == "cpu"
    precision, _ = _DTYPES[student.dtype]
    horizon = sft.schedule_steps or sft.steps
    ranks = hardware.nodes * hardware.devices_per_node
    if sft.batch_size % ranks:  # verl would train on fewer records a step without a word
        raise UserError(
            f"sft.batch_size={sft.batch_size} cannot be shared by {ranks} ranks (hardware.nodes x "
            f"devices_per_node); make it a multiple of {ranks}"
        )
    share = sft.batch_size // ranks
    micro = max(n for n in range(1, min(sft.micro_batch_size, share) + 1) if share % n == 0)
    return {
        "model": {
            "path": str(model),
            "use_remove_padding": student.attention == "flash_attention_2",
            "enable_gradient_checkpointing": not on_cpu,
            "override_config": {"attn_implementation": student.attention},
            **_lora_values(sft.lora),
        },
        "engine": {
            "strategy": "fsdp2",
            "mixed_precision": _mixed_precision(precision),
            "use_torch_compile": not on_cpu,
            "seed": config.seed,
        },
        "optim": {
            "lr": sft.lr,
            "weight_decay": sft.weight_decay,
            "lr_warmup_steps": sft.warmup_steps,
            "lr_scheduler_type": "cosine",
            "clip_grad": sft.max_grad_norm,
        },
        "data": {
            "train_files": str(records),
            "val_files": None,
            "train_batch_size": sft.batch_size,
            "micro_batch_size_per_gpu": micro,
            "use_dynamic_bsz": False,
            "max_length": student.max_prompt_tokens + student.max_response_tokens
            + sft.train_line_break,
            "num_workers": 0,
            "custom_cls": {"path": "pkg://ffr.train.verl.sft_dataset", "name": "SftDataset"},
            "ffr": {
                "run_dir": str(run_dir), "media_root": str(media_root), "model": str(model),
                "schedule_steps": horizon, "freeze_vision": sft.freeze_vision,
            },
        },
        "checkpoint": {"save_contents": ["model", "optimizer", "extra", "hf_model"]},
        "trainer": {
            "project_name": "ffr",
            "experiment_name": f"{config.name}-sft",
            "logger": list(config.loggers),
            "total_epochs": 1_000_000,  # steps decide
            "total_training_steps": sft.steps,
            "save_freq": sft.save_every,
            "test_freq": -1,
            "default_local_dir": str(checkpoints),
            "max_ckpt_to_keep": None,
            "resume_mode": "disable",
            "seed": config.seed,
            "device": hardware.platform,
            "nnodes": hardware.nodes,
            "n_gpus_per_node": hardware.devices_per_node,
        },
    }
