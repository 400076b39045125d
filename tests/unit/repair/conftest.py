"""A scripted student and teacher over the real renderer, parser, verifier and rewards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.config.rewards import RewardConfig
from ffr.config.student import PromptConfig
from ffr.data.question import AskedQuestion, Question
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.loop import RepairLoop
from ffr.repair.protocols import Diagnosis, FailedRollout, Rollout
from student.prompt import render_patched, render_question
from student.prompt_parts import StudentPrompt, VideoPart
from student.time_axis import TimeAxis

GOLD = "C"
OPTIONS = ("clothes", "book", "zirconium vase", "dish")


def reply(answer: str, think: str = "I watch.") -> str:
    return f"<think>{think}</think><answer>{answer}</answer>"


def make_question(answer_type: str = "choice", answer: str = GOLD, **more: Any) -> Question:
    options = OPTIONS if answer_type == "choice" else ()
    values = {"id": "q1", "video": "v.mp4", "question": "Which object was put down?",
              "options": options, "answer_type": answer_type, "answer": answer} | more
    return Question.model_validate(values)


def make_patch(**changes: Any) -> EvidencePatch:
    values = {"error_types": ("temporal",), "guidance": "Follow the hands.",
              "key_times_s": (2.5,)} | changes
    return EvidencePatch.model_validate(values)


@dataclass
class ScriptedStudent:
    """Says ``firsts`` in call order to plain prompts and ``seconds`` to patched ones."""

    firsts: Sequence[str]
    seconds: Sequence[str] = ()
    before: Callable[[StudentPrompt], Awaitable[None]] | None = None
    seen: list[StudentPrompt] = field(default_factory=list)
    _said: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        patched = prompt.patch_id is not None
        turn = self._said[patched]
        self._said[patched] += 1
        self.seen.append(prompt)
        if self.before is not None:
            await self.before(prompt)
        text = (self.seconds if patched else self.firsts)[turn]
        ids = (*text.encode(), 0)
        return Rollout(prompt, text, ids, "stop", tuple(-0.5 for _ in ids), (1, 2, 3))


@dataclass
class ScriptedTeacher:
    """Gives ``outcome`` (or what the function returns) for every failure."""

    outcome: EvidencePatch | NoPatch | Callable[[FailedRollout], Awaitable[Any] | Any]
    asked: list[FailedRollout] = field(default_factory=list)

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        self.asked.append(failed)
        outcome: Any = self.outcome
        if callable(outcome):
            outcome = outcome(failed)
            if asyncio.iscoroutine(outcome):
                outcome = await outcome
        if isinstance(outcome, Diagnosis):
            return outcome
        return Diagnosis(outcome, "live", 0.5, (("zoom", 2, 1),), (("leak_rejected", 1.0),))


@dataclass
class CountingRenderer:
    """The real prompt renderer over one still video; counts how often it is decoded."""

    frames: int = 8
    size: tuple[int, int] = (56, 56)
    config: PromptConfig = field(default_factory=PromptConfig)
    decoded: int = 0
    fail_patched: Exception | None = None

    def video(self) -> VideoPart:
        times = tuple(0.5 + i for i in range(self.frames))
        pixels = np.zeros((self.frames, *self.size, 3), np.uint8)
        return VideoPart(pixels, TimeAxis(times, 10.0, float(self.frames)))

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        self.decoded += 1
        return render_question(asked, self.video(), self.config)

    async def patched(self, asked: AskedQuestion, patch: EvidencePatch) -> StudentPrompt:
        if self.fail_patched is not None:
            raise self.fail_patched
        images = {f.image_sha256: np.zeros((28, 28, 3), np.uint8) for f in patch.frames}
        return render_patched(asked, self.video(), patch, images, self.config)


class World:
    """Everything a test of the loop needs, by name."""

    gold = GOLD
    reply = staticmethod(reply)
    question = staticmethod(make_question)
    patch = staticmethod(make_patch)
    Student = ScriptedStudent
    Teacher = ScriptedTeacher
    Renderer = CountingRenderer

    def loop(
        self,
        student: ScriptedStudent,
        teacher: ScriptedTeacher,
        *,
        render: CountingRenderer | None = None,
        repair: dict[str, Any] | None = None,
        reward: dict[str, Any] | None = None,
        advantage: dict[str, Any] | None = None,
        size: int | None = None,
    ) -> RepairLoop:
        return RepairLoop(
            student, teacher, render or CountingRenderer(), RepairConfig(**(repair or {})),
            RewardConfig(**(reward or {})), AdvantageConfig(**(advantage or {})),
            len(student.firsts) if size is None else size,
        )

    def script(self, right: int, repaired: int, failed: int) -> ScriptedStudent:
        """Answers such that ``right`` are right at once, ``repaired`` after the patch."""
        wrong = repaired + failed
        return ScriptedStudent(
            firsts=[reply(GOLD)] * right + [reply("A")] * wrong,
            seconds=[reply(GOLD, "I look again.")] * repaired + [reply("B")] * failed,
        )


@pytest.fixture
def world() -> World:
    return World()
