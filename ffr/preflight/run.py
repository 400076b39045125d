"""All checks in order, cheap ones first; every failure is told, not only the first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ffr.config.load import dump_config
from ffr.config.preflight import CheckGroup
from ffr.config.schema import RunConfig
from ffr.errors import UserError
from ffr.preflight import findings
from ffr.preflight.check import Check
from ffr.preflight.disk import disk_check
from ffr.preflight.fits import available_host_bytes, memory_checks
from ffr.preflight.shape import ModelShape
from ffr.preflight.situation import Situation
from ffr.preflight.tasks import Answer, Task, do_tasks
from ffr.preflight.teacher import teacher_checks
from ffr.preflight.versions import version_checks
from ffr.preflight.videos import video_check
from ffr.train.environment import stage_environment

__all__ = ["PreflightError", "Report", "preflight", "refuse"]


class PreflightError(UserError):
    """A check before step 0 found a problem; the message names all of them."""


class Report:
    """What was found, and the model's shape for later looks at the same run."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.shape: ModelShape | None = None
        self.seconds = 0.0

    @property
    def problems(self) -> list[Check]:
        """Findings that stop a run."""
        return [check for check in self.checks if check.status == "problem"]

    def as_json(self) -> dict[str, Any]:
        """For ``preflight.json`` and ``--json``."""
        return {
            "ok": not self.problems,
            "seconds": round(self.seconds, 1),
            "checks": [asdict(check) for check in self.checks],
            "shape": asdict(self.shape) if self.shape else None,
        }


def preflight(
    config: RunConfig,
    situation: Situation,
    *,
    base_url: str | None,
    without: Sequence[CheckGroup] = (),
    shape: ModelShape | None = None,
    tell: Callable[[Check], None] = lambda _: None,
) -> Report:
    """Look at everything.

    Args:
        config: resolved.
        situation: data and student, as far as they could be prepared.
        base_url: of the teacher's endpoint.
        without: groups the caller leaves out silently, beside ``preflight.skip``.
        shape: of the student, where an earlier look at the same run found it.
        tell: hears every finding as it is made.
    """
    report, began = Report(), time.monotonic()
    report.shape = shape
    for check in _checks(config, situation, base_url, set(without), report):
        report.checks.append(check)
        tell(check)
    report.seconds = time.monotonic() - began
    return report


def refuse(report: Report, where: str) -> None:
    """Raise if anything must be mended first.

    Raises:
        PreflightError: all problems in one message.
    """
    problems = report.problems
    if not problems:
        return
    told = "; ".join(
        f"({i}) {c.name}: {c.found} -> {c.fix}" for i, c in enumerate(problems, start=1)
    )
    raise PreflightError(
        f"pre-flight found {len(problems)} problem{'s' * (len(problems) > 1)}, nothing was "
        f"started: {told}. All findings: {where}"
    )


def _checks(
    config: RunConfig,
    situation: Situation,
    base_url: str | None,
    without: set[CheckGroup],
    report: Report,
) -> Iterator[Check]:
    for name in config.preflight.skip:
        if name not in without:
            fix = "remove it from preflight.skip to have it checked"
            yield Check("run", name, "warning", "left out by preflight.skip", fix)
    skip = without | set(config.preflight.skip)
    if "versions" not in skip:
        yield from version_checks(config)
    yield from situation.findings
    teacher_answers = True
    if "teacher" not in skip:
        for check in _teacher(config, situation, base_url):
            teacher_answers &= check.status != "problem"
            yield check
    inputs = situation.inputs
    names = [q.video for split in ("train", "test") for q in situation.questions(split)]
    if "videos" not in skip and inputs is not None and names:
        yield video_check(config, names, inputs.media_root)
    tasks = _tasks(config, situation, skip, teacher_answers)
    if report.shape is not None and "shape" in tasks:
        tasks.remove("shape")
    answers = _answers(config, situation, base_url, tasks) if tasks else {}
    yield from _machine(config, skip, answers)
    yield from _model(config, situation, skip, answers, report, len(set(names)))
    if "rollout" in answers:
        yield findings.rollout_check(config, answers["rollout"])
    elif "rollout" not in skip and "grpo" in config.stages:
        yield Check("run", "dry rollout", "warning", "not made: what it needs is missing",
                    "mend the problems above")  # fmt: skip


def _teacher(config: RunConfig, situation: Situation, base_url: str | None) -> Iterator[Check]:
    if not {"grpo", "eval"} & set(config.stages):
        return
    questions = situation.questions()
    annotated = sum(bool(q.gold_spans) for q in questions) if questions else None
    store = situation.inputs.store if situation.inputs else None
    yield from teacher_checks(config, base_url, store, annotated)


def _tasks(
    config: RunConfig, situation: Situation, skip: set[CheckGroup], teacher_answers: bool
) -> list[Task]:
    tasks: list[Task] = []
    if config.hardware.platform == "cuda" and not {"devices", "memory"} <= skip:
        tasks.append("devices")
    if config.hardware.nodes > 1 and "devices" not in skip:
        tasks.append("cluster")
    if situation.model is None:
        return tasks
    if not {"model", "memory", "disk"} <= skip:
        tasks.append("shape")
    if situation.inputs is not None and situation.inputs.train is not None:
        if "tokens" not in skip:
            tasks.append("tokens")
        if "rollout" not in skip and "grpo" in config.stages and teacher_answers:
            tasks.append("rollout")
    return tasks


def _answers(
    config: RunConfig, situation: Situation, base_url: str | None, tasks: list[Task]
) -> Mapping[Task, Answer]:
    inputs = situation.inputs
    return do_tasks(
        tasks,
        config_text=dump_config(config),
        limit_s=config.preflight.rollout_limit_s,
        environment=stage_environment(config),
        model=str(situation.model or ""),
        media_root=str(inputs.media_root) if inputs else "",
        store=str(inputs.store) if inputs else "",
        questions=str(inputs.train) if inputs and inputs.train else "",
        base_url=base_url,
    )


def _machine(
    config: RunConfig, skip: set[CheckGroup], answers: Mapping[Task, Answer]
) -> Iterator[Check]:
    if "devices" in skip:
        return
    if "devices" in answers:
        yield findings.device_check(config, answers["devices"])
    if config.hardware.nodes > 1:
        yield findings.cluster_check(answers["cluster"])


def _model(
    config: RunConfig,
    situation: Situation,
    skip: set[CheckGroup],
    answers: Mapping[Task, Answer],
    report: Report,
    videos: int,
) -> Iterator[Check]:
    prompt: int | None = None
    if answer := answers.get("shape"):
        if answer.error:
            yield Check("model", "student", "problem", answer.error, "give another checkpoint")
        else:
            report.shape = shape = ModelShape(**answer.found)
            told = f"{shape.name}, {shape.parameters:,} parameters"
            yield Check("model", "student", "ok", told)
    if answer := answers.get("tokens"):
        yield from findings.token_checks(config, report.shape, answer)
        prompt = findings.longest_prompt(answer)
    if report.shape is None:
        return
    if "disk" not in skip:
        yield disk_check(config, report.shape, situation.folder, videos=videos)
    if "memory" not in skip:
        yield from memory_checks(
            config, report.shape, device_bytes=_device_bytes(config, answers),
            host_bytes=_host_bytes(config), prompt_tokens=prompt,
        )  # fmt: skip


def _device_bytes(config: RunConfig, answers: Mapping[Task, Answer]) -> float | None:
    if config.preflight.device_memory_gb is not None:
        return config.preflight.device_memory_gb * 1e9
    answer = answers.get("devices")
    if answer is None or answer.error or not answer.found["devices"]:
        return None
    return float(min(size for _, size in answer.found["devices"]))


def _host_bytes(config: RunConfig) -> float | None:
    if config.preflight.host_memory_gb is not None:
        return config.preflight.host_memory_gb * 1e9
    return available_host_bytes()
