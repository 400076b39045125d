"""What a reward component may look at: one rollout, its verdict, and its group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from rewards.rler.terms import TokenCounter
from student.parse import ParsedResponse
from student.time_axis import TimeAxis

__all__ = ["GroupContext", "RolloutContext"]


@dataclass(frozen=True)
class GroupContext:
    """The first pass over one question.

    Attributes:
        accuracies: of the first answers, each in [0, 1].
        shuffled: of further answers to shuffled frames; empty when none were asked for.
    """

    accuracies: tuple[float, ...] = ()
    shuffled: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class RolloutContext:
    """One rollout as the components see it.

    Attributes:
        question: with its gold answer and reference events.
        text: the whole decoded response, untrusted.
        parsed: the response as the one parser reads it.
        answer: what was scored; ``None`` when there is no answer.
        accuracy: in [0, 1].
        format: 0 or 1.
        right: the verifier's verdict.
        tokens: length of the response, end token included.
        attempt: first pass, or second with a patch.
        axis: times of the sampled frames of the question's video; ``None`` when unknown.
        patch: the evidence a second attempt was given.
        count_tokens: the policy's tokenizer as a counter; ``None`` when there is none at hand.
        group: the first pass it belongs to.
    """

    question: Question
    text: str
    parsed: ParsedResponse
    answer: str | None
    accuracy: float
    format: float
    right: bool
    tokens: int
    attempt: Literal["first", "second"] = "first"
    axis: TimeAxis | None = None
    patch: EvidencePatch | None = None
    count_tokens: TokenCounter | None = None
    group: GroupContext = field(default_factory=GroupContext)
