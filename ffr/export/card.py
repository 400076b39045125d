"""The model card of an exported checkpoint: what a stranger must know, nothing about our disks."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ffr import __version__
from ffr.config.schema import RunConfig
from ffr.run.summary import Summary

__all__ = ["model_card"]


def model_card(
    config: RunConfig, summary: Summary | None, *, stage: str, step: int, parameters: int,
    dtype: str, architecture: str, merged_lora: bool,
) -> str:
    """The card as Markdown with the front matter model hubs read.

    Accuracy is quoted only for the checkpoint that was evaluated: the last of the last stage.
    """
    environment = Environment(  # noqa: S701 - Markdown; values pass `_cell`
        loader=PackageLoader("ffr.export"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    # A LoRA checkpoint is measured before its parts are merged: not this very model.
    accuracy = [] if merged_lora else _accuracy(config, summary, stage, step)
    return environment.get_template("README.md.j2").render(
        name=config.name, stage=stage, step=step, parameters=f"{parameters:,}", dtype=dtype,
        architecture=_cell(architecture), ffr_version=__version__, merged_lora=merged_lora,
        start=_cell(Path(config.student.path).name) if config.student.path else "",
        method=[(key, _cell(value)) for key, value in _method(config, stage)],
        frames=_frames(config), accuracy=accuracy,
        repaired=stage == "grpo" and config.teacher.kind != "none",
        questions=summary.accuracy.n if summary else 0,
    )  # fmt: skip


def _accuracy(
    config: RunConfig, summary: Summary | None, stage: str, step: int
) -> list[tuple[str, float]]:
    last = "grpo" if "grpo" in config.stages else "sft"
    done = summary.stages.get(stage) if summary else None
    if summary is None or stage != last or done is None or done.steps != step:
        return []
    pairs = (("before this stage", summary.accuracy.before), ("this model", summary.accuracy.after))
    return [(name, value) for name, value in pairs if value is not None]


def _method(config: RunConfig, stage: str) -> list[tuple[str, object]]:
    grpo, repair = config.grpo, config.repair
    if stage == "sft":
        sft = config.sft
        return [("stage", "supervised fine-tuning"), ("batch size", sft.batch_size),
                ("learning rate", f"{sft.lr:g}")]  # fmt: skip
    rows: list[tuple[str, object]] = [("stage", "GRPO")]
    if config.teacher.kind != "none":
        demo = config.teacher.kind == "demo"
        teacher = "scripted observer (demo)" if demo else config.teacher.model
        most = repair.max_per_question or "all"
        rows = [
            ("stage", "GRPO with context repair"),
            ("teacher", teacher),
            ("repaired", f"when {repair.when}, at most {most} a question"),
            ("trained context", repair.train_context),
        ]
    return [
        *rows,
        ("questions x rollouts a step", f"{grpo.questions_per_step} x {grpo.group_size}"),
        ("learning rate, schedule", f"{grpo.lr:g}, {grpo.schedule}"),
        ("KL weight", f"{grpo.kl_coef:g}"),
        ("reward", f"{config.reward.mode}, kappa {config.reward.kappa:g}"),
        ("LoRA", f"rank {grpo.lora.rank}, alpha {grpo.lora.alpha}" if grpo.lora else "no"),
    ]


def _frames(config: RunConfig) -> str:
    frames = config.student.frames
    size = (
        f"{frames.exact_size[0]} x {frames.exact_size[1]} pixels" if frames.exact_size
        else f"at most {frames.max_pixels:,} pixels each"
    )  # fmt: skip
    count = f"{frames.count} frames"
    if frames.fps is not None:
        count = f"{frames.fps:g} frames a second, at most {frames.count}"
    return f"{count}, the middle of each of as many equal slots, {size}."


def _cell(value: object) -> str:
    """Text that stays within its table cell and its line."""
    plain = " ".join(str(value).split())
    return plain.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
