"""One dry rollout: question, student, teacher, patch, second answer, reward, for real.

The student runs in this process through transformers, whatever engine trains later; everything
else is what a step uses.  Nothing of it stays: patches go into a scratch store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ffr.config.schema import RunConfig
from ffr.data.question import Question
from ffr.patches.store import PatchStore
from ffr.preflight.child.shape import read_shape
from ffr.preflight.fits import available_host_bytes
from ffr.repair.components import build_components
from ffr.repair.loop import RepairLoop
from ffr.repair.record import GroupRecord
from ffr.teacher.build import build_teacher
from ffr.train.rendering import PromptRenderer
from student.generate import BatchedStudent

__all__ = ["dry_rollout"]

_QUESTIONS = 4
_SHARE = 0.8  # of what is free, for the weights alone


def dry_rollout(
    config: RunConfig,
    questions: Sequence[Question],
    *,
    model: str,
    media_root: str,
    store: str,
    base_url: str | None,
    scratch: Path,
) -> dict[str, Any]:
    """Ask until one answer is wrong and has been repaired, or ``_QUESTIONS`` were asked.

    Args:
        config: resolved.
        questions: of the training data.
        model: checkpoint folder.
        media_root: folder of the videos.
        store: the run's patch store, read when the teacher only replays.
        base_url: of the teacher's endpoint.
        scratch: an empty folder that takes the patches.

    Returns:
        ``asked``, ``right``, ``seconds``, and of the question that got furthest ``stage``
        (``first``, ``refused`` or ``second``), ``detail``, ``tokens`` and ``reward``;
        ``stage`` is ``left_out`` when the student is too large to be loaded for this.
    """
    if why := _too_much(config, model):
        return {"stage": "left_out", "detail": why, "asked": 0, "right": 0, "seconds": 0.0}
    return asyncio.run(_run(config, questions, model, media_root, store, base_url, scratch))


def _too_much(config: RunConfig, model: str) -> str:
    """Why the student is not loaded here, or nothing."""
    on_cpu = config.hardware.platform == "cpu"
    if not on_cpu and not torch.cuda.is_available():
        return "no GPU here"
    size = read_shape(model).parameters * (4 if config.student.dtype == "float32" else 2)
    limit = config.preflight.rollout_max_gb * 1e9
    if size > limit:
        return f"{size / 1e9:.1f} GB of weights, preflight.rollout_max_gb={limit / 1e9:g}"
    free = available_host_bytes() if on_cpu else float(torch.cuda.mem_get_info()[0])
    if free is not None and size > _SHARE * free:
        return f"{size / 1e9:.1f} GB of weights, {free / 1e9:.1f} GB are free"
    return ""


async def _run(
    config: RunConfig,
    questions: Sequence[Question],
    model: str,
    media_root: str,
    store: str,
    base_url: str | None,
    scratch: Path,
) -> dict[str, Any]:
    began = time.monotonic()
    shorter = min(config.student.max_response_tokens, config.preflight.rollout_tokens)
    student_config = config.student.model_copy(update={"max_response_tokens": shorter})
    live = config.store.on_miss == "live" and config.teacher.kind != "replay"
    store_dir = str(scratch) if live else store
    renderer = PromptRenderer(
        student_config, media_root=media_root, model_path=model,
        patch_media=PatchStore(store_dir).media,
    )  # fmt: skip
    device = config.hardware.platform
    student = BatchedStudent.load(model, student_config, seed=config.seed, device=device)
    teacher = build_teacher(
        config.teacher, config.store, store_dir=store_dir, media_root=media_root, base_url=base_url
    )
    components = build_components(config.reward, judge_cache=scratch / "judge_replies")
    # One answer a question, and every wrong one repaired: the settings decide whom, not how.
    repair = config.repair.model_copy(update={"when": "always", "max_per_question": None})
    loop = RepairLoop(
        student=student, teacher=teacher, render=renderer, config=repair, reward=config.reward,
        advantage=config.advantage, group_size=1,
        components=components.scorer if components else None,
        count_tokens=renderer.processor.count_tokens,
    )  # fmt: skip
    best: dict[str, Any] = {"stage": "none"}
    asked = right = 0
    try:
        for question in questions[:_QUESTIONS]:
            found = _told((await loop.run_group(question)).record)
            asked, right = asked + 1, right + (found["stage"] == "first")
            if _ORDER[found["stage"]] > _ORDER[best["stage"]]:
                best = found
            if best["stage"] == "second" or config.teacher.kind == "none":
                break
    finally:
        student.close()
        await teacher.aclose()
        if components is not None:
            await components.aclose()
    return best | {"asked": asked, "right": right, "seconds": time.monotonic() - began}


_ORDER = {"none": 0, "first": 1, "refused": 2, "second": 3}


def _told(record: GroupRecord) -> dict[str, Any]:
    outcome = record.outcomes[0]
    row = record.rows[0]
    told: dict[str, Any] = {
        "tokens": outcome.first.tokens, "reward": row.reward, "stage": "first", "detail": "",
        "prompt_tokens": outcome.first.prompt_tokens,
    }  # fmt: skip
    if outcome.second is not None:
        return told | {"stage": "second", "prompt_tokens": outcome.second.prompt_tokens}
    if outcome.diagnosis is not None:
        diagnosis = outcome.diagnosis
        told |= {"stage": "refused", "reason": diagnosis.no_patch, "detail": diagnosis.detail}
    return told
