"""The whole configuration of a run: one typed tree, the one source of defaults.

``verl`` is passed through to verl's Hydra tree untouched and wins over what we derive.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ffr.config.base import Config, NonNegative, Positive, Probability
from ffr.config.launch import LaunchConfig
from ffr.config.preflight import PreflightConfig
from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.config.rewards import RewardConfig
from ffr.config.student import StudentConfig
from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.data.bad_rows import RowPolicy
from ffr.errors import UserError

__all__ = ["DataConfig", "EvalConfig", "GrpoConfig", "LoraConfig", "RunConfig", "SftConfig"]


class DemoWorldConfig(Config):
    """Sizes of the generated demo world, in questions."""

    sft: Annotated[int, Field(ge=1)] = 800
    train: Annotated[int, Field(ge=1)] = 400
    validation: Annotated[int, Field(ge=1)] = 60
    test: Annotated[int, Field(ge=1)] = 200
    seed: int = 0
    path: str = "data/demo"


class DataConfig(Config):
    """Where questions and media are."""

    sft: str | None = None
    """JSONL of SFT records."""
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    media_root: str | None = None
    """Folder that every ``video`` path must lie under; default: the JSONL's own folder."""
    on_bad_row: str = "fail"
    """Rows that cannot be used: ``fail``, ``skip``, or ``limit N``, at most N of them a file."""
    demo: DemoWorldConfig | None = None
    """Generate the demo world first and use its splits."""

    @field_validator("on_bad_row")
    @classmethod
    def _known_policy(cls, text: str) -> str:
        try:
            return str(RowPolicy.parse(text))
        except UserError as error:
            raise ValueError(str(error)) from error

    @property
    def row_policy(self) -> RowPolicy:
        """``on_bad_row``, read."""
        return RowPolicy.parse(self.on_bad_row)


class LoraConfig(Config):
    """Low-rank adaptation."""

    rank: Annotated[int, Field(ge=1)] = 64
    alpha: Annotated[int, Field(ge=1)] = 128
    target_modules: str = "all-linear"


class SftConfig(Config):
    """Supervised fine-tuning that teaches the answer format."""

    steps: Annotated[int, Field(ge=1)] = 200
    batch_size: Annotated[int, Field(ge=1)] = 32
    micro_batch_size: Annotated[int, Field(ge=1)] = 32
    lr: Positive = 1e-5
    schedule_steps: Annotated[int, Field(ge=1)] | None = None
    """Length of the cosine schedule when longer than ``steps``."""
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    weight_decay: NonNegative = 0.01
    max_grad_norm: Positive = 1.0
    save_every: Annotated[int, Field(ge=1)] = 100
    """Steps between checkpoints, from which a stopped stage goes on."""
    lora: LoraConfig | None = None
    """``None``: all weights. The next stage starts from the merged weights."""
    freeze_vision: bool = False
    """Keep the vision tower, its merger and any adapters on them as they are."""
    train_line_break: bool = False
    """Also train the line break that the chat template writes behind the end token, as Video-R2
    does. Rollouts end before it."""


class GrpoConfig(Config):
    """The GRPO update (spec ffr §6)."""

    steps: Annotated[int, Field(ge=1)] = 1000
    questions_per_step: Annotated[int, Field(ge=1)] = 8
    group_size: Annotated[int, Field(ge=2)] = 8
    lr: Positive = 5e-6
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    weight_decay: NonNegative = 0.01
    max_grad_norm: Positive = 5.0
    clip_ratio: Positive = 0.2
    kl_coef: NonNegative = 0.04
    loss_aggregation: Literal["token-mean", "seq-mean-token-mean"] = "token-mean"
    micro_batch_size: Annotated[int, Field(ge=1)] = 8
    """Rows of one forward/backward pass per device."""
    save_every: Annotated[int, Field(ge=1)] = 50
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2
    validate_every: Annotated[int, Field(ge=1)] | None = None
    lora: LoraConfig | None = None
    freeze_vision: bool = False


class EvalConfig(Config):
    """Evaluation on the test split, greedy."""

    batch_size: Annotated[int, Field(ge=1)] = 50
    with_patches: bool = True
    """Also answer with a patch per question (what repair could reach)."""
    limit: Annotated[int, Field(ge=1)] | None = None
    before: bool = True
    """Also evaluate the checkpoint GRPO started from."""
    before_sft: bool = False
    """Also evaluate the student as it was before SFT."""
    metrics: tuple[str, ...] = ()
    """Further measures beside accuracy, as ``ffr eval`` names them: ``tac``, ``citations``,
    ``vas_a``, ``vas_c``, ``vas_j``. A text judge is the reward's."""


_VLLM_CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)


class HardwareConfig(Config):
    """Where the run happens."""

    platform: Literal["cpu", "cuda"] = "cuda"
    devices_per_node: Annotated[int, Field(ge=1)] = 8
    nodes: Annotated[int, Field(ge=1)] = 1
    rollout: Literal["vllm", "sglang", "transformers", "vllm_cpu"] = "vllm"
    strategy: Literal["fsdp2", "megatron"] = "fsdp2"
    """What trains: FSDP2, or verl's Megatron engine, whose own keys are passed through
    (``verl.actor_rollout_ref.actor.megatron.*``)."""
    rollout_workers: Annotated[int, Field(ge=1)] = 8
    """Processes on each node that run agent loops (prompting, verifying, asking the teacher)."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Torch threads per process; use 1 on small CPU machines."""
    gpu_memory_utilization: Probability = 0.5
    stall_timeout_s: Positive = 1800.0
    """End the run with a message when no step finishes for this long, seconds."""
    stop_grace_s: Positive = 240.0
    """On SIGTERM or Ctrl-C, how long a stage may take to save a checkpoint and end, seconds."""


class RunConfig(Config):
    """One run of ``ffr-train``."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    output: str | None = None
    """Run folder; default ``runs/<name>``."""
    seed: int = 0
    stages: tuple[Literal["sft", "grpo", "eval"], ...] = ("grpo", "eval")
    data: DataConfig = DataConfig()
    student: StudentConfig = StudentConfig()
    sft: SftConfig = SftConfig()
    grpo: GrpoConfig = GrpoConfig()
    repair: RepairConfig = RepairConfig()
    advantage: AdvantageConfig = AdvantageConfig()
    reward: RewardConfig = RewardConfig()
    teacher: TeacherConfig = TeacherConfig()
    store: StoreConfig = StoreConfig()
    eval: EvalConfig = EvalConfig()
    hardware: HardwareConfig = HardwareConfig()
    launch: LaunchConfig = LaunchConfig()
    preflight: PreflightConfig = PreflightConfig()
    loggers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ("tensorboard",)
    """Where metrics go besides the console and ``metrics.jsonl``."""
    verl: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        if (self.student.path is None) == (self.student.tiny is None):
            raise ValueError(
                "student.path and student.tiny: set exactly one "
                "(a checkpoint folder, or the shape of a tiny model)"
            )
        if self.student.prompt.style == "direct":
            raise ValueError(
                "student.prompt.style=direct is for evaluation: training rewards reasoning; use "
                "'think_answer' or 'compact'"
            )
        if not self.stages:
            raise ValueError("stages is empty; list at least one of sft, grpo, eval")
        if len(set(self.stages)) != len(self.stages):
            raise ValueError(f"stages={list(self.stages)} repeats a stage; list each once")
        if self.hardware.strategy == "megatron" and self.hardware.platform == "cpu":
            raise ValueError(
                "hardware.strategy=megatron cannot run with platform='cpu'; use fsdp2, or GPUs"
            )
        if self.hardware.rollout == "vllm_cpu":
            self._check_vllm_cpu()
        return self

    def _check_vllm_cpu(self) -> None:
        if self.hardware.platform != "cpu":
            raise ValueError(
                f"hardware.rollout=vllm_cpu cannot run with platform={self.hardware.platform!r}; "
                "use rollout 'vllm', or platform 'cpu'"
            )
        tiny = self.student.tiny
        if tiny is not None and tiny.hidden_size / tiny.heads not in _VLLM_CPU_HEAD_SIZES:
            raise ValueError(
                f"student.tiny: hidden_size={tiny.hidden_size} with heads={tiny.heads} is not "
                f"allowed with hardware.rollout=vllm_cpu; hidden_size / heads must be one of "
                f"{_VLLM_CPU_HEAD_SIZES}"
            )
