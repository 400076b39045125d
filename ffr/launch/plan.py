"""What a launch consists of: the files it needs and the command that hands them over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ffr.config.launch import TeacherServerConfig
from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.errors import UserError
from ffr.launch.render import render

__all__ = ["LAUNCHERS", "LaunchPlan", "Launcher", "make_plan"]

Launcher = Literal["local", "ray", "slurm", "sky"]
LAUNCHERS: tuple[Launcher, ...] = get_args(Launcher)

_TEMPLATES: dict[Launcher, dict[str, str]] = {
    "local": {"local.sh": "local.sh.j2"},
    "ray": {"ray.sh": "ray.sh.j2"},
    "slurm": {"job.sbatch": "slurm.sbatch.j2"},
    "sky": {"sky.sh": "sky.sh.j2", "sky.yaml": "sky.yaml.j2"},
}


@dataclass(frozen=True)
class LaunchPlan:
    """A launch, not yet written or submitted.

    Attributes:
        folder: where the files go.
        files: name to content; ``config.yaml`` is the resolved configuration.
        submit: the command that hands the job over.
    """

    folder: Path
    files: Mapping[str, str]
    submit: tuple[str, ...]

    def write(self) -> list[Path]:
        """Write the files.

        Raises:
            UserError: the folder cannot be written.
        """
        paths = [self.folder / name for name in self.files]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path, text in zip(paths, self.files.values(), strict=True):
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"cannot write into {self.folder}: {error.strerror}; give --folder another place"
            ) from error
        return paths


def make_plan(
    config: RunConfig, launcher: Launcher, *, folder: Path, workdir: Path
) -> LaunchPlan:
    """Render the scripts of one launch.

    Args:
        config: the run.
        launcher: where it is to run.
        folder: absolute folder for scripts and logs; the nodes must see it (not for ``sky``).
        workdir: absolute folder the run starts in, unless ``launch.workdir`` names one.

    Raises:
        UserError: the configuration cannot run there; the message says what to change.
    """
    _check(config, launcher)
    if launcher == "slurm" and not re.fullmatch(r"[\w./@+-]+", str(folder)):
        raise UserError(
            f"the folder {str(folder)!r} has characters that a #SBATCH line cannot hold; give "
            "--folder one of letters, digits and ._/@+-"
        )
    launch, teacher = config.launch, config.launch.teacher
    output = config.output or f"runs/{config.name}"
    update: dict[str, Any] = {"output": output}
    if teacher is not None:  # the job makes a key for its own server; yours stays at home
        update["teacher"] = config.teacher.model_copy(update={"api_key_env": "VLLM_API_KEY"})
    resolved = config.model_copy(update=update)
    values: dict[str, object] = {
        "config": resolved,
        "launch": launch,
        "folder": str(folder),
        "workdir": launch.workdir or str(workdir),
        "nodes": config.hardware.nodes,
        "devices": config.hardware.devices_per_node if config.hardware.platform == "cuda" else 0,
        "teacher": teacher,
        "teacher_asked": config.teacher.kind == "openai" and config.store.on_miss == "live",
        "copies": _copies(config, teacher) if teacher is not None else 0,
    }
    own = Path(launch.templates) if launch.templates else None
    wanted = dict(_TEMPLATES[launcher])
    if teacher is not None:
        wanted["teacher.sh"] = "teacher.sh.j2"
    files = {"config.yaml": dump_config(resolved)}
    files |= {name: render(template, values, own) for name, template in wanted.items()}
    return LaunchPlan(folder, files, _submit(config, launcher, folder))


def _submit(config: RunConfig, launcher: Launcher, folder: Path) -> tuple[str, ...]:
    launch = config.launch
    if launcher == "local":
        return ("bash", str(folder / "local.sh"))
    if launcher == "slurm":
        return ("sbatch", str(folder / "job.sbatch"))
    if launcher == "ray":
        wait = () if launch.ray.follow else ("--no-wait",)
        return ("ray", "job", "submit", "--address", launch.ray.address, *wait, "--",
                "bash", str(folder / "ray.sh"))  # fmt: skip
    secrets = [word for name in launch.sky.secrets for word in ("--secret", name)]
    if launch.sky.managed:
        return ("sky", "jobs", "launch", "--yes", "--detach-run", *secrets,
                str(folder / "sky.yaml"))  # fmt: skip
    return ("sky", "launch", "--yes", "--detach-run", "--cluster", config.name,
            "--idle-minutes-to-autostop", str(launch.sky.idle_minutes), *secrets,
            str(folder / "sky.yaml"))  # fmt: skip


def _check(config: RunConfig, launcher: Launcher) -> None:
    hardware, launch = config.hardware, config.launch
    if launcher == "local" and hardware.nodes > 1:
        raise UserError(
            f"hardware.nodes={hardware.nodes} cannot be started with `ffr launch local`; set it "
            "to 1, or use slurm, ray or sky"
        )
    if launcher != "local" and hardware.platform == "cpu":
        raise UserError(
            f"hardware.platform=cpu runs on one machine and cannot be launched with {launcher}; "
            "use `ffr launch local`, or set it to cuda"
        )
    if hardware.nodes > 1 and "sft" in config.stages:
        raise UserError(
            f"stages={list(config.stages)} with hardware.nodes={hardware.nodes}: the sft stage "
            "trains on one node; run it first with hardware.nodes=1 stages=[sft], then this run "
            "with student.path set to its checkpoint and without sft"
        )
    if launch.teacher is not None:
        _check_served(config, launcher)
    if launcher == "sky":
        _check_sky(config)


def _check_served(config: RunConfig, launcher: Launcher) -> None:
    if launcher != "slurm":
        raise UserError(
            f"launch.teacher is for slurm, where the job can serve it, not for {launcher}; start "
            "the teacher's server yourself, give teacher.base_url and set launch.teacher to null"
        )
    if config.teacher.kind != "openai":
        raise UserError(
            f"launch.teacher serves an endpoint that teacher.kind={config.teacher.kind!r} does "
            "not ask; set teacher.kind to openai, or launch.teacher to null"
        )


def _copies(config: RunConfig, teacher: TeacherServerConfig) -> int:
    """Copies of the teacher on each of its nodes."""
    devices = config.hardware.devices_per_node
    wide = teacher.tensor_parallel or devices
    if devices % wide:
        raise UserError(
            f"launch.teacher.tensor_parallel={wide} does not divide the {devices} devices of a "
            f"node (hardware.devices_per_node); give a divisor of {devices}"
        )
    return devices // wide


def _check_sky(config: RunConfig) -> None:
    sky = config.launch.sky
    if config.hardware.nodes == 1 and not sky.managed:
        return
    places = (*sky.mounts, *sky.volumes)
    output = Path(config.output or f"runs/{config.name}")
    if not any(output.is_relative_to(place) for place in places):
        why = "several nodes share it" if config.hardware.nodes > 1 else "it outlives a preemption"
        raise UserError(
            f"output={str(output)!r} does not lie under any of launch.sky.volumes or mounts "
            f"({', '.join(places) or 'none is set'}); {why}: give --output a place there"
        )
