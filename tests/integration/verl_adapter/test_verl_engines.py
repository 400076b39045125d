"""SGLang and Megatron: our keys as verl's trees, and what reaches SGLang's server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.errors import UserError
from student.processor import StudentProcessor
from student.prompt_parts import ImagePart, Message, StudentPrompt, TextPart, VideoPart
from student.time_axis import TimeAxis

CONFIGS = Path(__file__).parents[3] / "configs"
PRESETS = ("ffr_qwen2_5_vl_7b.yaml", "ffr_qwen3_vl_8b.yaml")


def shipped(name: str, *overrides: str) -> RunConfig:
    return load_config([CONFIGS / name], overrides)


def compose(config: RunConfig) -> Any:
    from ffr.train.verl.compose import GrpoPaths, grpo_tree
    from ffr.train.verl.validate import validate_grpo

    run = Path("/nowhere/run")
    tree = grpo_tree(
        config,
        GrpoPaths(run_dir=run, model=run, train=run, validation=run, media_root=run,
                  store_dir=run, checkpoints=run),
    )  # fmt: skip
    validate_grpo(tree)
    return tree.actor_rollout_ref


@pytest.mark.parametrize("name", PRESETS)
def test_sglang_composes(name):
    assert compose(shipped(name, "hardware.rollout=sglang")).rollout.name == "sglang"


@pytest.mark.parametrize("name", PRESETS)
def test_megatron_composes_and_its_own_keys_pass_through(name):
    megatron = "verl.actor_rollout_ref.actor.megatron"
    config = shipped(
        name, "hardware.strategy=megatron", f"{megatron}.tensor_model_parallel_size=4",
        f"{megatron}.param_offload=true", "grpo.warmup_steps=7",
    )  # fmt: skip
    found = compose(config)
    actor = found.actor
    assert actor._target_.endswith("McoreActorConfig")
    assert actor.strategy == found.ref.strategy == "megatron"
    assert actor.megatron.tensor_model_parallel_size == 4
    assert found.ref.megatron.tensor_model_parallel_size == 4  # verl's own reference to it
    assert actor.megatron.param_offload
    assert (actor.optim.lr, actor.optim.clip_grad) == (config.grpo.lr, config.grpo.max_grad_norm)
    assert (actor.optim.lr_decay_style, actor.optim.lr_decay_steps) == ("cosine", 1000)
    assert actor.optim.lr_warmup_steps == 7
    assert actor.use_kl_loss == (config.grpo.kl_coef > 0)
    assert actor.megatron.override_transformer_config.recompute_granularity == "full"
    assert "fsdp_config" not in actor
    assert not actor.freeze_vision_tower


def test_lora_under_megatron_uses_its_own_section():
    lora = ("grpo.lora={rank: 8, alpha: 16}", "grpo.freeze_vision=true")
    model = compose(shipped(PRESETS[1], "hardware.strategy=megatron", *lora)).model
    assert (model.lora_rank, model.lora.rank, model.lora.alpha) == (0, 8, 16)
    assert model.lora.merge
    assert model.lora.freeze_vision_model
    assert model.lora.freeze_vision_projection


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("grpo.freeze_vision=true", r"grpo\.freeze_vision=true .* without LoRA"),
        ("grpo.lora={target_modules: q_proj}", r"grpo\.lora\.target_modules='q_proj'"),
        ("student.dtype=float32", r"student\.dtype=float32"),
        ("verl.actor_rollout_ref.actor.megatron.tensor_model_parallel_size=3", "must be divisible"),
        ("verl.actor_rollout_ref.actor.fsdp_config.param_offload=true", "fsdp_config"),
    ],
)
def test_what_megatron_cannot_do_is_refused(setting, named):
    with pytest.raises(UserError, match=named):
        compose(shipped(PRESETS[1], "hardware.strategy=megatron", setting))


def test_megatron_needs_gpus():
    with pytest.raises(UserError, match=r"hardware\.strategy=megatron cannot run with platform"):
        shipped("quickstart.yaml", "hardware.strategy=megatron")


def prompt(*, images: int) -> StudentPrompt:
    grey = np.full((32, 32, 3), 90, np.uint8)
    video = VideoPart(np.stack([grey] * 4), TimeAxis((0.5, 1.5, 2.5, 3.5), 10.0, 4.0))
    parts = (video, *(ImagePart(grey + i) for i in range(images)), TextPart("Which shape?"))
    return StudentPrompt((Message("user", parts),), None, "q0")


def reaches_sglang(request: dict[str, Any]) -> dict[str, Any]:
    """What verl's own client hands to a server of SGLang."""
    from verl.workers.rollout.llm_server import LLMServerClient

    found: dict[str, Any] = {}

    class Server:
        class generate:  # noqa: N801 - a method of a Ray actor
            @staticmethod
            async def remote(**arguments: Any) -> Any:
                found.update(arguments)
                return SimpleNamespace(extra_fields={})

    class Client(LLMServerClient):  # type: ignore[misc]
        def __init__(self) -> None:
            rollout = SimpleNamespace(name="sglang")
            self.config = SimpleNamespace(actor_rollout_ref=SimpleNamespace(rollout=rollout))

        async def _acquire_server(self, *_: Any, **__: Any) -> Any:
            return "server", Server

        def _release_server(self, *_: Any, **__: Any) -> None:
            pass

        def _vllm_request_id(self, request_id: str) -> str:
            return request_id

    asyncio.run(Client().generate(request_id="r", **request))
    return found


@pytest.mark.parametrize("images", [0, 2])
def test_sglang_sees_the_pixels_the_trainer_sees(checkpoint, images):
    """verl's client drops raw frames without a word; the processor's output gets through."""
    from ffr.train.verl.engine_request import EngineRequests

    family, folder = checkpoint
    processor = StudentProcessor(folder)
    asked = prompt(images=images)
    encoded = processor.encode(asked)
    sampling = {"temperature": 1.0, "top_p": 1.0, "seed": 11}
    request = EngineRequests("sglang", processor).build(asked, encoded, sampling)
    assert sampling["seed"] == 11  # ours, not changed
    got = reaches_sglang(request)
    assert got["prompt_ids"] == list(encoded.prompt_ids)
    (video,) = got["video_data"]
    assert video["format"] == "processor_output"
    for name in ("pixel_values_videos", "video_grid_thw"):
        assert torch.equal(video[name], encoded.tensors[name])
    assert ("second_per_grid_ts" in video) == (family == "qwen2_5_vl")
    if images:
        (pictures,) = got["image_data"]
        assert torch.equal(pictures["pixel_values"], encoded.tensors["pixel_values"])
    else:
        assert got["image_data"] is None
    assert got["sampling_params"]["sampling_seed"] == 11
    assert "seed" not in got["sampling_params"]
    banned = got["sampling_params"]["logit_bias"]
    assert set(banned) == {str(index) for index in processor.suppress_token_ids}
    assert set(banned.values()) == {-100.0}
