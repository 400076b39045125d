"""What a job is made of: wrong answers, grouped by video, and what came of each.

All three travel between processes as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ffr.data.question import Question
from ffr.repair.protocols import FailedRollout

__all__ = ["PATCHED", "Failure", "ItemResult", "VideoGroup", "WorkItem", "spoken"]

PATCHED = "patch"
"""``ItemResult.outcome`` of a diagnosis that gave a patch; anything else is a reason."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(_Message):
    """A wrong answer to a question: what a teacher will be asked about."""

    question: Question
    response_text: str
    wrong_answer: str | None

    @property
    def rollout(self) -> FailedRollout:
        """In the form teachers take."""
        return FailedRollout(self.question, self.response_text, self.wrong_answer)


class WorkItem(_Message):
    """A failure with its request key in the store."""

    key: str
    failure: Failure


class VideoGroup(_Message):
    """Items about one video, done by one worker, so that it is decoded once."""

    video: str
    items: tuple[WorkItem, ...] = Field(min_length=1)


class ItemResult(_Message):
    """What came of one item.

    Attributes:
        outcome: ``patch``, a ``NoPatch`` reason, ``worker_died`` or ``error``.
        detail: about a failure, for people.
        source: ``live`` when a model was called.
        seconds: wall time of the diagnosis.
        counters: the diagnosis's own counters (``calls``, ``tokens_in``, ``tokens_out``, ...).
    """

    key: str
    question_id: str
    video: str
    outcome: str
    detail: str = ""
    source: Literal["store", "live", "none"] = "none"
    seconds: float = 0.0
    counters: Mapping[str, float] = {}


def spoken(answer: str | None) -> str:
    """The response that says ``answer`` and nothing else; the text of stand-in failures."""
    return "<think></think>" if answer is None else f"<think></think><answer>{answer}</answer>"
