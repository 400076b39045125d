"""Who decides whether a smaller patch is enough: a student that repairs, or a teacher that says so.

Both are engine-free: the student comes as ``Student`` and ``Renderer``, the teacher as a
function from chat messages to text.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ffr.config.rewards import RewardConfig
from ffr.data.question import Question, option_letters
from ffr.errors import FfrError
from ffr.patches.patch import EvidencePatch
from ffr.patches.shrink import part_names
from ffr.repair.protocols import Student
from ffr.repair.renderer import Renderer
from ffr.repair.scoring import score_rollout

__all__ = ["Ask", "JudgeError", "StudentJudge", "TeacherJudge"]

Ask = Callable[[Sequence[Mapping[str, Any]]], Awaitable[str]]
"""Chat messages in OpenAI's form to the text of the reply; raises ``JudgeError``."""

_SYSTEM = """\
You review evidence that was prepared for a small video model, the student. The student answered a \
question about a video wrongly; a patch tells it where to look, with some frames and regions. Keep \
only what the student needs to see to reach the answer by itself: name the fewest frames and \
regions without which the evidence would be incomplete. Frames that repeat each other are needed \
once. If in doubt about a part, keep it.

Reply with exactly one JSON object and nothing after it: {"needed": ["frame_0", "region_1", ...]}"""


class JudgeError(FfrError):
    """The judge could not be asked or gave no usable verdict; the patch may be tried again."""


class StudentJudge:
    """Holds when the student answers right often enough.

    Args:
        question: with its gold answer.
        student: samples answers.
        renderer: writes prompts.
        reward: how answers are verified.
        samples: answers to each patch.
        threshold: least share of right ones.
    """

    def __init__(
        self,
        question: Question,
        student: Student,
        renderer: Renderer,
        reward: RewardConfig,
        *,
        samples: int = 1,
        threshold: float = 0.5,
    ) -> None:
        self._question = question
        self._student = student
        self._renderer = renderer
        self._reward = reward
        self._samples = samples
        self._threshold = threshold

    async def holds(self, patch: EvidencePatch | None) -> bool:
        """Whether the student repairs its answer with this patch.

        Raises:
            PromptOverBudget, PatchRenderError, UserError: no prompt can be written.
        """
        asked = self._question.asked
        if patch is None:
            prompt = await self._renderer.question(asked)
        else:
            prompt = await self._renderer.patched(asked, patch)
        answers = (self._student.answer(prompt) for _ in range(self._samples))
        rollouts = await asyncio.gather(*answers)
        right = sum(score_rollout(r, self._question, self._reward).score.right for r in rollouts)
        return right >= self._threshold * self._samples


class TeacherJudge:
    """Asks a teacher once which parts are needed; what holds all of them holds.

    Args:
        question: with its gold answer, which the teacher is told.
        patch: the whole patch.
        images: encoded bytes by SHA-256, of every frame.
        ask: calls the model.
    """

    def __init__(
        self, question: Question, patch: EvidencePatch, images: Mapping[str, bytes], ask: Ask
    ) -> None:
        self._question = question
        self._patch = patch
        self._images = images
        self._ask = ask
        self._needed: frozenset[object] | None = None

    async def holds(self, patch: EvidencePatch | None) -> bool:
        """Whether the patch has every part the teacher named.

        Raises:
            JudgeError: the teacher cannot be asked, or names no known parts.
        """
        if patch is None:
            return False
        if self._needed is None:
            reply = await self._ask(self._messages())
            named = _needed_parts(reply, part_names(self._patch))
            whole = dict(zip(part_names(self._patch), _parts(self._patch), strict=True))
            self._needed = frozenset(whole[name] for name in named)
        return self._needed <= set(_parts(patch))

    def _messages(self) -> list[Mapping[str, Any]]:
        question, patch = self._question, self._patch
        lines = [f"Question: {question.question.strip()}"]
        letters = option_letters(len(question.options))
        lines += [f"{k}. {text}" for k, text in zip(letters, question.options, strict=True)]
        lines += [f"Reference answer: {question.answer_text}", f"Guidance: {patch.guidance}"]
        for number, region in enumerate(patch.spatial_regions):
            box = "whole frame" if region.box is None else f"box {list(region.box)}"
            lines.append(f"[region_{number}] at {region.t_s:.3f} s, {box}: {region.desc}")
        blocks: list[dict[str, Any]] = [{"type": "text", "text": "\n".join(lines)}]
        for number, frame in enumerate(patch.frames):
            kind = "frame" if frame.box is None else f"crop {list(frame.box)}"
            label = f"[frame_{number}] {kind} at {frame.t_s:.3f} s {frame.label}".rstrip()
            blocks.append({"type": "text", "text": label})
            blocks.append({"type": "image_url", "image_url": {"url": self._url(frame)}})
        return [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": blocks},
        ]

    def _url(self, frame: Any) -> str:
        data = self._images[frame.image_sha256]
        kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _parts(patch: EvidencePatch) -> list[object]:
    return [*patch.frames, *patch.spatial_regions]


def _needed_parts(reply: str, known: Sequence[str]) -> list[str]:
    """The parts a reply names; only what follows the model's thinking is read.

    Raises:
        JudgeError: no JSON object at the end, or parts that do not exist.
    """
    text = reply.rpartition("</think>")[2].strip().removesuffix("```").rstrip()
    start = text.rfind("{")
    try:
        value = json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        value = None
    needed = value.get("needed") if isinstance(value, dict) else None
    if not isinstance(needed, list) or not all(isinstance(n, str) for n in needed):
        raise JudgeError('the teacher gave no {"needed": [...]} at the end of its reply')
    if unknown := [name for name in needed if name not in known]:
        raise JudgeError(f"the teacher named {unknown[0][:40]!r}, which the patch does not have")
    return needed
