"""The two parties of a repair, as protocols.

The loop in ``ffr.repair`` knows nothing else about models, so the verl agent
loop, the offline caching job, the evaluation and the tests all drive the same
coroutine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ffr.data.question import Question
from ffr.patches.looks import ToolLook
from ffr.patches.patch import EvidencePatch, NoPatch
from student.prompt_parts import StudentPrompt

__all__ = ["Diagnosis", "FailedRollout", "Rollout", "Student", "Teacher"]


@dataclass(frozen=True, eq=False)
class Rollout:
    """One sampled answer together with the context it was generated under.

    Attributes:
        prompt: the context; old, new and reference log-probs use exactly this one.
        text: decoded response without special tokens.
        token_ids: response tokens as sampled, end token included.
        finish_reason: ``length`` means the token limit cut it off.
        log_probs: sampling log-probabilities per token, if the engine gives them.
        prompt_ids: the tokenised prompt, if the engine tokenised it.
    """

    prompt: StudentPrompt
    text: str
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    log_probs: tuple[float, ...] | None = None
    prompt_ids: tuple[int, ...] | None = None


class Student(Protocol):
    """A policy that answers prompts; sampling parameters belong to the implementation."""

    async def answer(self, prompt: StudentPrompt) -> Rollout:
        """Sample one response. Raises whatever the engine raises; the loop never hides it."""
        ...


@dataclass(frozen=True, eq=False)
class FailedRollout:
    """What a teacher is asked about: a question and one wrong response to it."""

    question: Question
    response_text: str
    wrong_answer: str | None


@dataclass(frozen=True)
class Diagnosis:
    """A teacher's verdict with its cost.

    Attributes:
        outcome: a patch that passed the leak gate, or the reason there is none.
        source: ``store`` when it was read back, ``live`` when a model was called.
        seconds: wall time the diagnosis took.
        tool_calls: tool name to (calls, failures).
        counters: everything else worth counting (retries, leak_rejected, tokens_in, ...).
        looks: the tool calls themselves, in order; those of the diagnosis that made it.
    """

    outcome: EvidencePatch | NoPatch
    source: Literal["store", "live", "none"]
    seconds: float = 0.0
    tool_calls: tuple[tuple[str, int, int], ...] = ()
    counters: tuple[tuple[str, float], ...] = ()
    looks: tuple[ToolLook, ...] = ()


class Teacher(Protocol):
    """Something that explains a failure: a live model, a store, or nothing at all."""

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        """Never raises for a failed call: every failure is a ``NoPatch`` with its reason."""
        ...
