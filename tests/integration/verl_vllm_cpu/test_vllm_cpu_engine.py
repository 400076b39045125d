"""A real vLLM engine behind verl's server, against transformers with the same weights."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

os.environ["VERL_PLATFORM"] = "cpu"

from omegaconf import OmegaConf
from ray.exceptions import RayTaskError
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.rollout.replica import RolloutMode

from ffr.config.schema import RunConfig
from ffr.config.student import StudentConfig, TinyModelConfig
from ffr.data.question import AskedQuestion
from ffr.patches.media import MediaStore
from ffr.repair.protocols import Rollout
from ffr.train.rendering import PromptRenderer
from ffr.train.verl import vllm_cpu_metadata
from ffr.train.verl.compose import GrpoPaths, grpo_tree
from ffr.train.verl.contract import check
from ffr.train.verl.engine_request import EngineRequests, PromptMismatchError
from ffr.train.verl.engine_student import EngineStudent
from student.model import load_model
from student.processor import EncodedPrompt, StudentProcessor
from student.prompt import render_question
from student.prompt_parts import ImagePart, Message, StudentPrompt, TextPart, VideoPart
from student.time_axis import TimeAxis
from student.tiny.model import build_tiny_student

pytestmark = pytest.mark.timeout(600)

NAME = "ffr_vllm_cpu"
CORPUS = ["What appears at 5.0 seconds?", "<think>at 5.0</think><answer>red cross</answer>"] * 2
TOLERANCE = 2e-3  # of a log-probability: oneDNN against PyTorch, float32


@dataclass(eq=False)
class Engine:
    """The server actor, behind the interface of verl's client."""

    server: Any
    folder: Path
    other: Path
    config: RunConfig
    renderer: PromptRenderer
    expands: bool = True

    async def generate(self, request_id: str, **request: Any) -> Any:
        if not self.expands:
            request["prompt_ids"] = [*request["prompt_ids"], *request["prompt_ids"][-2:]]
        return await self.server.generate.remote(request_id=request_id, **request)

    def student(self, **sampling: Any) -> EngineStudent:
        return EngineStudent(
            client=self,
            renderer=self.renderer,
            requests=EngineRequests(NAME, self.renderer.processor),
            sampling_params={"temperature": 1.0, "top_p": 1.0, "top_k": -1, "logprobs": True}
            | sampling,
            seed_parts=(0,),
        )

    def ask(self, *prompts: StudentPrompt, **sampling: Any) -> list[Rollout]:
        async def run() -> list[Rollout]:
            student = self.student(**sampling)
            return await asyncio.gather(*(student.answer(prompt) for prompt in prompts))

        return asyncio.run(run())

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        ray.get(self.server.update_weights.remote(weights, 1), timeout=120)


@pytest.fixture(scope="module", params=["qwen3_vl", "qwen2_5_vl"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    root = tmp_path_factory.mktemp(request.param)
    folders = [
        build_tiny_student(
            TinyModelConfig(family=request.param, seed=seed), root / f"m{seed}", CORPUS
        )
        for seed in (0, 1)
    ]
    config = RunConfig.model_validate({
        "stages": ["grpo"],
        "student": {
            "tiny": {"family": request.param}, "dtype": "float32", "max_prompt_tokens": 256,
            "max_response_tokens": 24,
            "frames": {"count": 4, "exact_size": (32, 32), "size_multiple": 16},
        },
        "hardware": {
            "platform": "cpu", "devices_per_node": 1, "rollout": "vllm_cpu", "rollout_workers": 1,
            "threads": 1,
        },
    })
    paths = GrpoPaths(
        run_dir=root, model=folders[0], train=root, validation=root, media_root=root,
        store_dir=root, checkpoints=root,
    )
    tree = grpo_tree(config, paths)
    OmegaConf.resolve(tree)
    variables = dict(tree.ray_kwargs.ray_init.runtime_env.env_vars)
    ray.init(address="local", num_cpus=4, include_dashboard=False,
             runtime_env={"env_vars": variables})  # fmt: skip
    vllm_cpu_metadata.install()
    from ffr.train.verl.vllm_cpu_server import VllmCpuServer

    server = ray.remote(VllmCpuServer).options(num_cpus=1, max_concurrency=100).remote(
        config=omega_conf_to_dataclass(tree.actor_rollout_ref.rollout),
        model_config=omega_conf_to_dataclass(tree.actor_rollout_ref.model),
        rollout_mode=RolloutMode.HYBRID, workers=[], replica_rank=0, node_rank=0,
        gpus_per_node=1, nnodes=1, cuda_visible_devices="0",
    )
    address = ray.get(server.get_master_address.remote())
    ray.get(server.launch_server.remote(*address))
    renderer = PromptRenderer(
        config.student, media_root=root, model_path=folders[0], patch_media=MediaStore(root)
    )
    yield Engine(server, folders[0], folders[1], config, renderer)
    ray.shutdown()


def plain(config: RunConfig, seed: int = 0) -> StudentPrompt:
    asked = AskedQuestion(
        id=f"q{seed}", video="v.mp4", question="What appears at 5.0 seconds?", answer_type="text"
    )
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    part = VideoPart(pixels, TimeAxis((0.7, 3.1, 5.0, 7.6), 10.0, 8.0))
    return render_question(
        asked, part, config.student.prompt,
        write_frame_times=config.student.tiny.family == "qwen2_5_vl",
    )


def with_images(config: RunConfig) -> StudentPrompt:
    """The plain prompt and two stills of different size behind it."""
    message = plain(config).messages[-1]
    pixels = np.random.default_rng(9).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    parts = (
        *message.parts, TextPart("At 5.0 seconds: "), ImagePart(pixels[:32, :32]),
        TextPart(" and "), ImagePart(pixels),
    )
    return StudentPrompt((Message("user", parts),), patch_id="p", question_id="q")


@torch.inference_mode()
def expected(model: Any, processor: StudentProcessor, rollout: Rollout) -> torch.Tensor:
    """Log-probabilities of the response under ``model``, suppressed tokens left out."""
    prompt = processor.encode(rollout.prompt)
    whole = EncodedPrompt((*prompt.prompt_ids, *rollout.token_ids), prompt.tensors, "")
    inputs = processor.batch([whole])
    kinds = inputs.pop("mm_token_type_ids")
    if "second_per_grid_ts" in inputs:
        positions = published_positions(model, kinds[0].tolist(), inputs)
    else:
        positions, _ = model.model.get_rope_index(
            inputs["input_ids"], mm_token_type_ids=kinds,
            **{k: v for k, v in inputs.items() if k.endswith("grid_thw")},
        )
    logits = model(**inputs, position_ids=positions).logits[0].float()
    logits[:, list(processor.suppress_token_ids)] = float("-inf")
    count = len(rollout.token_ids)
    answer = torch.tensor(rollout.token_ids)[:, None]
    return logits[-count - 1 : -1].log_softmax(-1).gather(1, answer)[:, 0]


def published_positions(model: Any, kinds: list[int], inputs: dict[str, Any]) -> torch.Tensor:
    """Qwen2.5-VL's positions as vLLM and its report have them, shape (3, 1, L).

    transformers 5.10 cuts the seconds per frame group to whole ones and lets the text behind a
    video begin before the video's last moment.
    """
    grids = {1: iter(inputs.get("image_grid_thw", ())), 2: iter(inputs["video_grid_thw"])}
    seconds = iter(inputs["second_per_grid_ts"].tolist())
    pieces: list[torch.Tensor] = []
    for kind, run in itertools.groupby(kinds):
        start = int(pieces[-1].max()) + 1 if pieces else 0
        if kind == 0:
            pieces.append(torch.arange(len(list(run))).expand(3, -1) + start)
            continue
        t, h, w = (next(grids[kind]) // torch.tensor([1, 2, 2])).tolist()
        rate = next(seconds) * model.config.vision_config.tokens_per_second if kind == 2 else 1
        grid = torch.cartesian_prod(torch.arange(t), torch.arange(h), torch.arange(w)).T.clone()
        grid[0] = (grid[0] * rate).long()
        pieces.append(grid + start)
    return torch.cat(pieces, dim=1)[:, None]


def model_of(folder: Path) -> Any:
    return load_model(folder, StudentConfig(path=str(folder), dtype="float32"))


def largest_difference(engine: Engine, folder: Path, rollouts: list[Rollout]) -> float:
    model, processor = model_of(folder), engine.renderer.processor
    pairs = [(expected(model, processor, r), torch.tensor(r.log_probs)) for r in rollouts]
    return max(float((ours - theirs).abs().max()) for ours, theirs in pairs)


def test_a_rollout_has_the_log_probabilities_that_the_trainer_computes(engine: Engine) -> None:
    prompts = [plain(engine.config, seed) for seed in range(3)] + [with_images(engine.config)]
    rollouts = engine.ask(*prompts)
    assert largest_difference(engine, engine.folder, rollouts) < TOLERANCE
    for prompt, rollout in zip(prompts, rollouts, strict=True):
        assert rollout.prompt_ids == engine.renderer.processor.encode(prompt).prompt_ids


def test_the_same_seed_gives_the_same_answer_and_control_tokens_never_come(engine: Engine) -> None:
    prompt = plain(engine.config)
    first = engine.ask(*[prompt] * 12)
    again = engine.ask(*[prompt] * 12)
    assert sorted(r.token_ids for r in first) == sorted(r.token_ids for r in again)
    assert len({r.token_ids for r in first}) > 6
    sampled = {token for rollout in first for token in rollout.token_ids}
    assert not sampled & set(engine.renderer.processor.suppress_token_ids)


def test_an_engine_that_reads_another_prompt_is_found_out(engine: Engine) -> None:
    engine.expands = False
    try:
        with pytest.raises(PromptMismatchError, match="prompt tokens where the trainer has"):
            engine.ask(plain(engine.config))
    finally:
        engine.expands = True


def test_new_weights_reach_the_engine_and_a_failed_transfer_is_an_error(engine: Engine) -> None:
    old, prompt = engine.ask(plain(engine.config)), plain(engine.config)
    weights = model_of(engine.other).state_dict()
    engine.load(weights)
    new = engine.ask(prompt, with_images(engine.config))
    assert largest_difference(engine, engine.other, new) < TOLERANCE
    assert largest_difference(engine, engine.folder, new) > 0.1
    engine.load(model_of(engine.folder).state_dict())
    assert engine.ask(prompt)[0].token_ids == old[0].token_ids

    name = next(n for n in weights if n.endswith("q_proj.weight"))
    with pytest.raises(RayTaskError, match="load_weights_file"):
        engine.load({**weights, name: weights[name][:-1]})


def test_vllm_finds_its_version_and_offers_what_the_adapter_uses() -> None:
    vllm_cpu_metadata.install()
    assert version("vllm") == f"{version('vllm-cpu')}+cpu"
    assert check(NAME) == []
