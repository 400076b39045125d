"""Upper bounds of tokens, rows and calls that follow from the configuration alone."""

from __future__ import annotations

from dataclasses import dataclass

from ffr.config.schema import RunConfig
from ffr.errors import UserError
from ffr.repair.rows import row_budget

__all__ = ["Budget", "budget"]

_FRAMES_PER_GROUP = 2  # temporal patch of Qwen2.5-VL and Qwen3-VL
_TEXT_ALLOWANCE = 256


@dataclass(frozen=True)
class Budget:
    """Upper bounds per prompt and per step, in tokens unless the name says otherwise."""

    frames: int
    video_tokens: int
    patch_images: int
    patch_tokens: int
    prompt_tokens_bound: int
    prompt_tokens_limit: int
    response_tokens_limit: int
    rows_per_question: int
    rows_per_step: int
    generated_sequences_per_step: int
    teacher_calls_per_step: int
    tokens_per_step_bound: int


def budget(config: RunConfig) -> Budget:
    """Bounds that follow from the configuration alone.

    Raises:
        UserError: a full patched prompt cannot fit ``student.max_prompt_tokens``.
    """
    frames, grpo, repair = config.student.frames, config.grpo, config.repair
    cell = frames.size_multiple**2
    pixels = frames.exact_size[0] * frames.exact_size[1] if frames.exact_size else frames.max_pixels
    patch_pixels = (
        frames.patch_exact_size[0] * frames.patch_exact_size[1]
        if frames.patch_exact_size
        else frames.patch_max_pixels
    )
    video = -(-frames.count // _FRAMES_PER_GROUP) * max(pixels // cell, 1)
    visual = config.student.prompt.patch_render == "structured_visual"
    images = config.teacher.patch_max_frames if visual and config.teacher.kind != "none" else 0
    patch = images * max(patch_pixels // cell, 1)
    text = min(_TEXT_ALLOWANCE, config.student.max_prompt_tokens // 2)
    bound = video + patch + text
    if video + patch > config.student.max_prompt_tokens:
        raise UserError(
            f"student.max_prompt_tokens={config.student.max_prompt_tokens} cannot hold {video} "
            f"video tokens and {patch} patch tokens; raise it above {bound} or lower "
            "student.frames.count or max_pixels"
        )
    repairs = 0 if config.teacher.kind == "none" else grpo.group_size
    if repair.max_per_question is not None:
        repairs = min(repairs, repair.max_per_question)
    rows = row_budget(repair, config.advantage, grpo.group_size)
    questions = grpo.questions_per_step
    limit = min(bound, config.student.max_prompt_tokens)
    return Budget(
        frames=frames.count,
        video_tokens=video,
        patch_images=images,
        patch_tokens=patch,
        prompt_tokens_bound=bound,
        prompt_tokens_limit=config.student.max_prompt_tokens,
        response_tokens_limit=config.student.max_response_tokens,
        rows_per_question=rows,
        rows_per_step=questions * rows,
        generated_sequences_per_step=questions * (grpo.group_size + repairs),
        teacher_calls_per_step=questions * repairs,
        tokens_per_step_bound=questions * rows * (limit + config.student.max_response_tokens),
    )
