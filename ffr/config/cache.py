"""Configuration of an offline caching job (``ffr-cache``): one typed tree, like a run's.

``data``, ``student``, ``reward``, ``teacher`` and ``store`` are the sections of ``ffr-train``, so
that one layer file can serve both and the patches made here are the ones training asks for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ffr.config.base import Config, NonNegative, Positive, Probability
from ffr.config.rewards import RewardConfig
from ffr.config.schema import DataConfig
from ffr.config.student import StudentConfig
from ffr.config.teacher import StoreConfig, TeacherConfig

__all__ = [
    "CacheConfig",
    "EstimateConfig",
    "FailuresConfig",
    "RayConfig",
    "StudentAnswersConfig",
    "StudentEndpointConfig",
]


class StudentEndpointConfig(Config):
    """A student behind an OpenAI-compatible endpoint; it gets its frames as labelled images."""

    base_url: str
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself is never stored."""
    call_timeout_s: Positive = 120.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    concurrency: Annotated[int, Field(ge=1)] = 16


class StudentAnswersConfig(Config):
    """Let a student answer every question; its wrong answers are the failures."""

    samples: Annotated[int, Field(ge=1)] = 1
    """Answers to each question."""
    temperature: NonNegative | None = None
    """``None``: that of ``student.temperature``; 0 is greedy."""
    endpoint: StudentEndpointConfig | None = None
    """``None``: the checkpoint ``student.path``, in this process."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Sequences generated together by a checkpoint in this process."""
    device: Literal["cpu", "cuda"] = "cuda"


class FailuresConfig(Config):
    """Where the wrong answers come from; the sources add up, equal ones are asked once."""

    splits: tuple[Literal["train", "validation", "test"], ...] = Field(("train",), min_length=1)
    """The question files of ``data`` that are worked on."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Only this many questions, from the first on."""
    recorded: tuple[str, ...] = ()
    """Run folders, folders of ``step_NNNNNN.jsonl``, or JSONL files of
    ``{"id", "answer"}`` or ``{"id", "response"}``."""
    counterfactual: bool = False
    """For multiple choice: every wrong option of every question."""
    unanswered: bool = False
    """Also one patch per question for responses no answer can be read from."""
    student: StudentAnswersConfig | None = None


class EstimateConfig(Config):
    """Assumptions of ``--dry-run``, used until the job has measured its own means."""

    prompt_tokens: Annotated[int, Field(ge=0)] = 2500
    """Text of one request: instructions, tool schemas, question, response."""
    tokens_per_image: Positive | None = None
    """``None``: pixels / 784, as Qwen-VL counts (patches of 28 x 28)."""
    tool_rounds: NonNegative = 1.5
    """Rounds of tool calls before the answer."""
    images_per_round: NonNegative = 4.0
    output_tokens: NonNegative = 400.0
    """Of one reply."""
    corrected_share: Probability = 0.1
    """Diagnoses whose first answer is refused and asked for once more."""


class RayConfig(Config):
    """Where the workers of ``workers: ray`` run."""

    address: str | None = None
    """Of a running cluster (``auto`` finds it); ``None`` starts Ray on this machine."""
    cpus_per_worker: Positive = 1.0


class CacheConfig(Config):
    """One offline caching job."""

    name: str = Field(default="cache", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    output: str | None = None
    """Job folder: journal, answers of the student, summary; default ``runs/<name>``."""
    seed: int = 0
    data: DataConfig = DataConfig()
    failures: FailuresConfig = FailuresConfig()
    student: StudentConfig = StudentConfig()
    reward: RewardConfig = RewardConfig()
    teacher: TeacherConfig = TeacherConfig()
    store: StoreConfig = StoreConfig()
    workers: Literal["local", "ray"] = "local"
    processes: Annotated[int, Field(ge=1, le=4096)] = 1
    """Workers; they share ``teacher.concurrency`` and every budget of the teacher."""
    ray: RayConfig = RayConfig()
    passes: Annotated[int, Field(ge=1, le=2)] = 2
    """Times a diagnosis is tried in one launch while the provider fails."""
    retry_failures: bool = False
    """Ask again about stored failures that are the teacher's own (a leak, an invalid answer);
    the store allows two tries in all."""
    wait_for_teacher_s: NonNegative = 600.0
    """How long a teacher that answers nobody is waited for before the job ends, seconds."""
    report_every_s: Positive = 60.0
    """Where there is no terminal: seconds between two lines of progress."""
    estimate: EstimateConfig = EstimateConfig()

    @model_validator(mode="after")
    def _consistent(self) -> CacheConfig:
        failures = self.failures
        sources = (
            bool(failures.recorded), failures.counterfactual, failures.unanswered,
            failures.student is not None,
        )  # fmt: skip
        if not any(sources):
            raise ValueError(
                "failures names no source; set failures.counterfactual=true, "
                "failures.recorded=[RUN_FOLDER_OR_JSONL], or failures.student"
            )
        if self.teacher.kind in ("none", "replay"):
            raise ValueError(
                f"teacher.kind={self.teacher.kind!r} makes no patches; give a teacher that can be "
                "asked, such as 'openai'"
            )
        if self.store.on_miss != "live" or not self.store.read:
            raise ValueError(
                f"store.on_miss={self.store.on_miss!r} with store.read={self.store.read} cannot "
                "fill a store; a caching job needs on_miss 'live' and read true"
            )
        if self.processes > self.teacher.concurrency:
            raise ValueError(
                f"processes={self.processes} share teacher.concurrency="
                f"{self.teacher.concurrency}, which gives some of them nothing to do; give at "
                "most as many processes, or raise the concurrency"
            )
        local = failures.student is not None and failures.student.endpoint is None
        if local and self.student.path is None:
            raise ValueError(
                "failures.student needs student.path (a checkpoint folder) or "
                "failures.student.endpoint"
            )
        return self
