"""Configuration of ``ffr launch``: where a run is started, never what it learns.

Values that end up in a job script's directives are restricted to harmless characters here;
everything else is quoted where it is written.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ffr.config.base import Config, Positive
from ffr.config.teacher import EnvironmentVariable

__all__ = [
    "LaunchConfig",
    "RayClusterConfig",
    "SkyConfig",
    "SlurmConfig",
    "TeacherServerConfig",
]

_SECRET = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.I)
_NOT_KEYS = frozenset({"TOKENIZERS_PARALLELISM"})


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a line break or a control character; give one plain line")
    return value


def _no_secrets(variables: dict[str, str]) -> dict[str, str]:
    for name in variables:
        if _SECRET.search(name) and name not in _NOT_KEYS:
            # The value is not repeated: it may be the key itself.
            raise ValueError(
                f"must not hold {name}: keys are never written to files; export it in the shell "
                "you launch from, and for SkyPilot name it in launch.sky.secrets"
            )
        _variable(name)
        _one_line(variables[name])
    return variables


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(f"{name!r} is not the name of an environment variable; use A-Z, 0-9, _")
    return name


Line = Annotated[str, AfterValidator(_one_line)]
"""Text without line breaks."""
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,:/@&|*+-]*$")]
"""A value of a job directive, such as a partition's name."""


class TeacherServerConfig(Config):
    """vLLM serves the teacher (``teacher.model``) on nodes of its own, in the same allocation."""

    nodes: Annotated[int, Field(ge=1)] = 1
    tensor_parallel: Annotated[int, Field(ge=1)] | None = None
    """Devices one copy of the model takes; ``None``: all of a node. The rest holds more copies."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8000
    arguments: tuple[Line, ...] = (
        "--enable-auto-tool-choice",
        "--tool-call-parser=hermes",
        "--limit-mm-per-prompt.image=48",
    )
    """Further words of ``vllm serve``; the parser of tool calls is Qwen's (GLM: ``glm45``)."""
    wait_s: Positive = 1800.0
    """Longest wait until it answers, seconds; then the job ends before step 0."""
    setup: tuple[Line, ...] = ()
    """Shell lines before ``vllm``, when it lives in an environment of its own."""


class SlurmConfig(Config):
    """Directives of the batch script."""

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    time: Annotated[str, Field(pattern=r"^(?:\d+-)?\d+(?::\d{2}){0,2}$")] = "24:00:00"
    cpus_per_node: Annotated[int, Field(ge=1)] | None = None
    """``None``: all of them, with ``exclusive``."""
    memory: Word = "0"
    """Per node, as sbatch takes it; 0 is all of it."""
    exclusive: bool = True
    grace_s: Annotated[int, Field(ge=30, le=3600)] = 300
    """Seconds before the time limit at which the run is told to stop."""
    requeue: bool = True
    """Queue the job again when the time limit stopped an unfinished run."""
    max_requeues: Annotated[int, Field(ge=0)] = 50
    options: tuple[Annotated[str, Field(pattern=r"^--[A-Za-z0-9_=.,:/@&|*+-]+$")], ...] = ()
    """Further directives, such as ``--reservation=night``."""


class RayClusterConfig(Config):
    """Ray under a run on several nodes: the one that takes jobs, or the one a job starts."""

    address: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9._:\[\]/-]+$")] = (
        "http://127.0.0.1:8265"
    )
    """Dashboard of the running cluster that ``ffr launch ray`` hands the job to."""
    follow: bool = False
    """Stay and show the log instead of returning once the job is accepted."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 6379
    """Of the Ray that a SLURM or SkyPilot job starts on its nodes."""
    wait_s: Positive = 600.0
    """Longest wait until all nodes have joined, seconds; then the job ends before step 0."""


class SkyConfig(Config):
    """A SkyPilot task."""

    infra: Word | None = None
    """Cloud, region or ``kubernetes``; ``None``: the cheapest that has the accelerators."""
    accelerator: Word = "H100"
    """Its kind; the number is ``hardware.devices_per_node``."""
    image: Word | None = None
    disk_gb: Annotated[int, Field(ge=50)] = 512
    use_spot: bool = False
    managed: bool = False
    """A managed job, which SkyPilot starts again after a preemption, instead of a cluster."""
    idle_minutes: Annotated[int, Field(ge=1)] = 30
    """A cluster without work is stopped after this long."""
    mounts: dict[Line, Line] = Field(default_factory=dict)
    """Remote folder to bucket or local path."""
    volumes: dict[Line, Line] = Field(default_factory=dict)
    """Remote folder to SkyPilot volume; several nodes need one for the run folder."""
    secrets: tuple[EnvironmentVariable, ...] = ()
    """Names of variables that are handed over from the shell you launch from."""


class LaunchConfig(Config):
    """How ``ffr launch`` starts a run elsewhere; ``ffr-train`` itself does not read it."""

    workdir: Line | None = None
    """Folder the run starts in, which relative paths of the configuration refer to; ``None``: the
    folder ``ffr launch`` is called in. All nodes must see it."""
    setup: tuple[Line, ...] = ()
    """Shell lines before anything else: modules, the virtual environment."""
    environment: Annotated[dict[str, str], AfterValidator(_no_secrets)] = Field(
        default_factory=dict
    )
    """Variables of the run; never keys."""
    templates: str | None = None
    """Folder of your own templates: a file there wins over ours of the same name."""
    teacher: TeacherServerConfig | None = None
    """Serve the teacher within the job (SLURM); ``None``: it is at ``teacher.base_url``."""
    slurm: SlurmConfig = SlurmConfig()
    ray: RayClusterConfig = RayClusterConfig()
    sky: SkyConfig = SkyConfig()
