"""One process plays a whole GRPO job: real queue, real trainer, real workers, no Ray workers.

What a cluster spreads over processes is called directly here: the agent worker, the rollout
server, the trainer and the actor.  Only Ray's transport between them is left out; rows still
travel through a real TransferQueue.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

# Before verl is imported: it chooses its device layer once.
os.environ["VERL_PLATFORM"] = "cpu"
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import torch

from ffr.config.load import dump_config, load_config
from ffr.config.schema import RunConfig
from ffr.config.student import TinyModelConfig
from ffr.config.yaml_io import to_yaml
from ffr.data.question import Question
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch, NoPatch, PatchFrame
from ffr.patches.store import PatchStore
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.run.folder import RunFolder
from student.tiny.model import build_tiny_student

HERE = Path(__file__).parent
OPEN = ExitStack()
"""What the tests of this folder share and must not leave to others: Ray, verl's patches."""
GOLD = "B"
FAMILIES = {
    "qwen3_vl": "transformers.models.qwen3_vl.modeling_qwen3_vl",
    "qwen2_5_vl": "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
}


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close what is open after the last test of this folder, not at the end of the session."""
    if nextitem is None or HERE not in nextitem.path.parents:
        OPEN.close()


def reply(answer: str, think: str = "I see a red cross.") -> str:
    return f"<think>{think}</think><answer>{answer}</answer>"


CORPUS = [
    "Which shape appears?", "red cross", "blue circle", "Look at the frame at 1.6 s.",
    *(reply(letter) for letter in "ABCD"), "It may be a green circle, or not.",
] * 2


@pytest.fixture(scope="package")
def media_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two mp4 files of 4.5 s whose frames all differ; four frames of each lie 1.1 s apart."""
    root = tmp_path_factory.mktemp("verl_media")
    for name, tint in (("a.mp4", 0), ("b.mp4", 90)):
        with av.open(str(root / name), "w") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for i in range(45):
                picture = np.full((64, 64, 3), 30 + 3 * i, np.uint8)
                picture[:, i : i + 6, 0] = 150 + tint
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    return root


@pytest.fixture(scope="package")
def questions() -> list[Question]:
    return [
        Question(id=f"q{i}", video=video, question=text, options=("red cross", "blue circle"),
                 answer_type="choice", answer=GOLD, family=("visible", "temporal")[i])
        for i, (video, text) in enumerate(
            [("a.mp4", "Which shape appears?"), ("b.mp4", "Which shape appears at 1.6 s?")]
        )
    ]  # fmt: skip


@pytest.fixture(scope="package", params=list(FAMILIES))
def checkpoint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(request.param)
    shape = TinyModelConfig(family=request.param, hidden_size=64, layers=2, heads=4, seed=3)
    return request.param, build_tiny_student(shape, folder, CORPUS)


def make_config(folder: Path, model: Path, **changes: Any) -> RunConfig:
    """A small CPU run; ``changes`` are whole sections that are laid over it."""
    tree: dict[str, Any] = {
        "name": "bench", "seed": 5, "stages": ["grpo"],
        "data": {"train": "questions.jsonl"},
        "student": {
            "path": str(model),
            "frames": {"count": 4, "exact_size": [32, 32], "size_multiple": 16,
                       "patch_exact_size": [32, 32]},
            "prompt": {"style": "compact"},
            "max_prompt_tokens": 200, "max_response_tokens": 40, "dtype": "float32",
        },
        "grpo": {"steps": 8, "questions_per_step": 2, "group_size": 4, "lr": 1e-3,
                 "schedule": "constant", "weight_decay": 0.0, "max_grad_norm": 1e9,
                 "kl_coef": 0.0, "micro_batch_size": 3},
        "teacher": {"kind": "none"},
        "hardware": {"platform": "cpu", "devices_per_node": 1, "rollout": "transformers",
                     "rollout_workers": 1, "threads": 1},
    }  # fmt: skip
    for section, values in changes.items():
        old = tree.get(section)
        tree[section] = old | values if isinstance(old, dict) else values
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text(to_yaml(tree))
    return load_config([folder / "run.yaml"])


def png(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def make_patch(store: MediaStore, *seeds: int) -> EvidencePatch:
    """A patch whose images are noise; other seeds, other pixels, everything else the same."""
    times = (1.6, 2.8)  # the student has these frames: the evidence is in its view
    frames = tuple(
        PatchFrame(t_s=t, image_sha256=store.put(png(seed)))
        for t, seed in zip(times, seeds, strict=True)
    )
    return EvidencePatch(
        error_types=("temporal",), guidance="Look at the frame at 1.6 s.", key_times_s=(1.6,),
        frames=frames,
    )


class PatchTeacher:
    """Hands out one patch, or a reason for none, and remembers what it was asked."""

    def __init__(self, outcome: EvidencePatch | NoPatch) -> None:
        self.outcome = outcome
        self.asked: list[FailedRollout] = []

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        self.asked.append(failed)
        return Diagnosis(self.outcome, "live")


class ScriptedClient:
    """Plays the rollout engine: ``firsts`` to plain prompts, ``seconds`` to those with images."""

    def __init__(self, processor: Any, firsts: list[str], seconds: list[str] | None = None) -> None:
        self._processor = processor
        self._texts = {False: list(firsts), True: list(seconds or [])}
        self.requests: list[dict[str, Any]] = []

    async def generate(self, **request: Any) -> Any:
        self.requests.append(request)
        text = self._texts[bool(request.get("image_data"))].pop(0)
        ids = self._processor.tokenizer.encode(text, add_special_tokens=False)
        token_ids = [*ids, self._processor.stop_token_ids[0]]
        return SimpleNamespace(token_ids=token_ids, log_probs=None, extra_fields={})


class Kit:
    """What tests build their scenes from."""

    reply = staticmethod(reply)
    patch = staticmethod(make_patch)
    config = staticmethod(make_config)
    Teacher = PatchTeacher
    Client = ScriptedClient


@pytest.fixture(scope="package")
def kit() -> Kit:
    return Kit()


@pytest.fixture(scope="package")
def local_ray() -> None:
    import ray

    OPEN.callback(ray.shutdown)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
             configure_logging=False)  # fmt: skip


@pytest.fixture(scope="package")
def queue(local_ray: None) -> None:
    """A real TransferQueue with one storage process."""
    import transfer_queue as tq
    from omegaconf import OmegaConf

    OPEN.callback(tq.close)
    backend = {"SimpleStorage": {"num_data_storage_units": 1}}
    tq.init(OmegaConf.create({"backend": backend}))


@pytest.fixture(scope="package")
def loop() -> Callable[[Any], Any]:
    """Runs a coroutine on the one event loop of the session; its threads work one at a time.

    One thread makes the order in which requests reach the engine repeatable.
    """
    runner = OPEN.enter_context(asyncio.Runner())
    runner.get_loop().set_default_executor(ThreadPoolExecutor(1))
    return runner.run


@pytest.fixture(scope="package")
def stock_models() -> Callable[[], AbstractContextManager[None]]:
    """verl replaces methods of transformers' model classes; inside the context they are stock.

    In the end they are stock again, so that other tests do not run verl's.
    """
    modules = [importlib.import_module(name) for name in
               (*FAMILIES.values(), "transformers.models.qwen2_vl.modeling_qwen2_vl")]  # fmt: skip
    classes = {c for m in modules for c in vars(m).values() if isinstance(c, type)}
    stock = {c: c.__dict__["forward"] for c in classes if "forward" in c.__dict__}

    def install(methods: dict[type, Any]) -> None:
        for owner, forward in methods.items():
            owner.forward = forward  # type: ignore[attr-defined]

    @contextmanager
    def context() -> Iterator[None]:
        verls = {owner: owner.__dict__["forward"] for owner in stock}
        install(stock)
        try:
            yield
        finally:
            install(verls)

    OPEN.callback(install, stock)
    return context


@pytest.fixture(scope="package")
def one_rank() -> None:
    """What a launcher tells a worker about its place."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    patch = OPEN.enter_context(pytest.MonkeyPatch.context())
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
                        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():  # fmt: skip
        patch.setenv(name, value)

    def end_process_group() -> None:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    OPEN.callback(end_process_group)


@dataclass(eq=False)
class Job:
    """A GRPO job in this process."""

    config: RunConfig
    tree: Any
    folder: RunFolder
    store: PatchStore
    trainer: Any
    actor: Any
    agent: Any
    run: Callable[[Any], Any]

    def submit(
        self, uid: str, question: Question, client: Any, teacher: Any, *, validate: bool = False
    ) -> None:
        """One question through the agent worker into the queue, as verl's manager would."""
        import transfer_queue as tq

        partition = "val" if validate else "train"
        tag = {"is_prompt": True, "status": "pending", "global_steps": self.trainer.global_steps}
        tq.kv_batch_put(keys=[uid], partition_id=partition, tags=[tag])
        self.agent.llm_client, self.agent._teacher = client, teacher
        prompt = {
            "uid": uid, "question_json": question.model_dump_json(), "index": 0,
            "raw_prompt": [{"role": "user", "content": question.question}],
            "data_source": question.family, "agent_name": "ffr",
            "reward_model": {"style": "rule", "ground_truth": question.answer},
            "global_steps": self.trainer.global_steps,
        }  # fmt: skip
        sampling = {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "logprobs": False}
        where = {"validate": validate, "step": self.trainer.global_steps}
        self.run(self.agent._run_prompt(prompt, sampling, where))

    def use(self, **sections: dict[str, Any]) -> None:
        """Other options of the repair loop, until the end of the test."""
        run = self.agent._run
        changed = {name: getattr(run, name).model_copy(update=new)
                   for name, new in sections.items()}  # fmt: skip
        self.agent._run = run.model_copy(update=changed)

    def sample(self, groups: int, partition: str = "train") -> Any:
        """Take finished groups out of the queue, as the trainer does."""
        batch, _ = self.trainer.replay_buffer.sample(
            global_steps=self.trainer.global_steps, partition_id=partition, batch_size=groups
        )
        batch.extra_info["temperature"] = 1.0
        return batch

    @staticmethod
    def get(batch: Any, name: str) -> list[Any]:
        """One field of all rows of a batch."""
        import transfer_queue as tq

        data = tq.kv_batch_get(
            keys=batch.keys, partition_id=batch.partition_id, select_fields=[name]
        )[name]
        return list(data.unbind(0)) if isinstance(data, torch.Tensor) else list(data)

    @contextmanager
    def gradient(self) -> Iterator[dict[str, torch.Tensor]]:
        """The gradient an update would apply; the weights stay as they are."""
        engine = self.actor.actor.engine
        found: dict[str, torch.Tensor] = {}

        def keep() -> float:
            for name, parameter in engine.module.named_parameters():
                if parameter.grad is not None:
                    found[name] = parameter.grad.full_tensor().clone()
            return 0.0

        engine.optimizer_step = keep
        try:
            yield found
        finally:
            del engine.optimizer_step

    def step(self, groups: int = 2) -> tuple[dict[str, torch.Tensor], dict[str, Any], Any]:
        """One whole step of verl's loop over what is in the queue: gradient, metrics, batch."""
        metrics: dict[str, Any] = {}
        with self.gradient() as found:
            batch = self.trainer._step_once(metrics, {}, groups)
        return found, metrics, batch

    def clear(self) -> None:
        import transfer_queue as tq

        for partition, keys in (tq.kv_list() or {}).items():
            if keys:
                tq.kv_clear(keys=list(keys), partition_id=partition)


class InProcessGroup:
    """verl's worker group of one rank, without Ray."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._dispatch_info: dict[str, list[int]] = {}

    def _query_dispatch_info(self, name: str) -> list[int]:
        return [0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worker, name)


@pytest.fixture(scope="package")
def start_job(
    checkpoint: tuple[str, Path], media_root: Path, queue: None, one_rank: None,
    stock_models: Any, loop: Callable[[Any], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Job]:  # fmt: skip
    """Start a job with these changes to the configuration."""

    def start(**changes: Any) -> Job:
        from ffr.train.verl.agent import RepairWorker
        from ffr.train.verl.compose import GrpoPaths, grpo_tree
        from ffr.train.verl.trainer import FfrTrainer
        from ffr.train.verl.workers import FfrActorWorker

        base = tmp_path_factory.mktemp("job")
        config = make_config(base, checkpoint[1], **changes)
        folder = RunFolder.create(base / "run", dump_config(config))
        tree = grpo_tree(
            config,
            GrpoPaths(
                run_dir=folder.path, model=checkpoint[1], train=base / "q.jsonl",
                validation=base / "q.jsonl", media_root=media_root,
                store_dir=folder.path / "patches", checkpoints=folder.path / "checkpoints" / "grpo",
            ),
        )
        tree.actor_rollout_ref.actor.optim.total_training_steps = config.grpo.steps
        actor = FfrActorWorker(config=tree.actor_rollout_ref, role="actor_rollout_ref")
        actor.init_model()
        trainer = FfrTrainer(config=tree)
        trainer.global_steps = 1
        trainer.curr_step_profile = False
        trainer.actor_rollout_wg = trainer.ref_policy_wg = InProcessGroup(actor)
        trainer.ref_in_actor = False
        trainer.checkpoint_manager = SimpleNamespace(sleep_replicas=lambda: None)
        trainer.reward_loop_manager = SimpleNamespace(reward_loop_worker_handles=[])
        trainer.tokenizer = actor.actor.model_config.tokenizer
        agent = RepairWorker(config=tree, llm_client=None)
        return Job(config, tree, folder, PatchStore(folder.path / "patches"), trainer, actor,
                   agent, loop)  # fmt: skip

    return start


@pytest.fixture(scope="package")
def job(start_job: Callable[..., Job]) -> Job:
    """The job most tests share: at most two repairs a question; nothing changes its weights."""
    return start_job(repair={"max_per_question": 2}, advantage={"epsilon": 1e-6})


@pytest.fixture
def clean(job: Job) -> Iterator[None]:
    """Leaves an empty queue, no records, and the job's own options behind."""
    options = job.agent._run
    yield
    job.clear()
    job.agent._run = options
    for path in job.folder.rollouts.iterdir():
        path.unlink()
