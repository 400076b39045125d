"""How long real prompts are: the student's own processor, questions of the run, a full patch."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ffr.config.schema import RunConfig
from ffr.data.question import Question
from ffr.errors import FfrError
from ffr.patches.patch import EvidencePatch, PatchFrame
from ffr.patches.store import PatchStore
from ffr.repair.renderer import PromptOverBudget
from ffr.train.rendering import PromptRenderer
from student.processor import PromptTooLongError
from teacher_tools.media.errors import MediaError

__all__ = ["measure_tokens"]

_QUESTIONS = 4
_SIDE = 1024  # of an evidence image before it is fitted, pixels
_WORDS = ("look", "again", "at", "the", "object", "near", "its", "left", "side", "then")


def measure_tokens(
    config: RunConfig, questions: Sequence[Question], *, model: str, media_root: str, scratch: Path
) -> dict[str, Any]:
    """Tokens of plain prompts, of prompts with a full patch, and with one of a single image.

    Args:
        config: resolved.
        questions: of the training data; the longest and some others are rendered.
        model: checkpoint folder.
        media_root: folder of the videos.
        scratch: an empty folder for the images of the patch.

    Returns:
        ``plain``, ``patched`` and ``one_image``: lists of tokens, ``None`` for a prompt that is
        too long; ``refused``: the reasons.

    Raises:
        FfrError: no video can be read, or a patch cannot be rendered.
    """
    store = PatchStore(scratch)
    renderer = PromptRenderer(
        config.student, media_root=media_root, model_path=model, patch_media=store.media
    )
    most = config.teacher.patch_max_frames if config.teacher.kind != "none" else 0
    patches = {"patched": most, "one_image": min(most, 1)}
    found: dict[str, Any] = {"plain": [], **{name: [] for name in patches}, "refused": []}

    async def measure() -> None:
        for question in _longest(questions):
            try:
                found["plain"].append(await _tokens(renderer, question, None, found["refused"]))
            except MediaError:
                continue  # told by the check of videos
            if config.teacher.kind == "none":
                continue
            for name, images in patches.items():
                patch = _patch(config, store, images)
                found[name].append(await _tokens(renderer, question, patch, found["refused"]))

    asyncio.run(measure())
    if not found["plain"]:
        raise FfrError("no video of the longest questions can be read")
    found["multiple"] = renderer.processor.size_multiple
    return found


async def _tokens(
    renderer: PromptRenderer, question: Question, patch: EvidencePatch | None, refused: list[str]
) -> int | None:
    try:
        if patch is None:
            prompt = await renderer.question(question.asked)
        else:
            prompt = await renderer.patched(question.asked, patch)
        return len((await renderer.encode(prompt)).prompt_ids)
    except (PromptOverBudget, PromptTooLongError) as error:
        refused.append(str(error))
        return None


def _longest(questions: Sequence[Question]) -> list[Question]:
    """The longest texts; different videos where there are any."""
    ordered = sorted(questions, key=lambda q: -len(q.question) - sum(map(len, q.options)))
    return ordered[:_QUESTIONS]


def _patch(config: RunConfig, store: PatchStore, images: int) -> EvidencePatch:
    """As much as a teacher may say: all words, all images, at full size."""
    words = config.teacher.patch_max_words
    guidance = " ".join(_WORDS[i % len(_WORDS)] for i in range(words))
    frames = [
        PatchFrame(t_s=float(i), label="close view", image_sha256=store.media.put(_picture(i)))
        for i in range(images)
    ]
    return EvidencePatch(
        error_types=("temporal", "spatial"),
        guidance=guidance[:1000],
        key_times_s=tuple(float(i) for i in range(max(images, 1))),
        temporal_markers=("from 0.0 to 1.0 s",),
        frames=tuple(frames),
    )


def _picture(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=60)
    return out.getvalue()
