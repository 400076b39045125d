"""What the metrics and rewards ask of a text judge; ``ffr.judge`` asks a model behind an endpoint.

A judgement that could not be had is unknown, with a reason to count it by, and never a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ffr.data.question import AskedQuestion

__all__ = ["Judge", "Judged"]

T = TypeVar("T")


@dataclass(frozen=True)
class Judged(Generic[T]):
    """A judgement, or why there is none.

    Attributes:
        value: ``None`` when unknown.
        problem: "" when known, else a short name such as ``timeout`` or ``unreadable``.
    """

    value: T | None
    problem: str = ""


class Judge(Protocol):
    """A text model that reads responses; it never sees the video.  No method raises."""

    async def claims(self, think: str) -> Judged[Mapping[str, str]]:
        """Timestamp keys to clauses of at most ten words, as the reasoning states them."""
        ...

    async def consistent(
        self, question: AskedQuestion, think: str, answer: str, *, released: bool = False
    ) -> Judged[bool]:
        """Whether the reasoning concludes and supports the answer.

        Args:
            question: as the student saw it.
            think: content of the think block.
            answer: content of the answer block.
            released: read the verdict as the released code does.
        """
        ...

    async def conclusion(self, question: AskedQuestion, think: str) -> Judged[str]:
        """What the reasoning concludes: a letter or a short text; "" when nothing."""
        ...

    async def grounding(self, prompt: str, think: str) -> Judged[int]:
        """From 0 to 10: how far the reasoning claims concrete visual evidence."""
        ...
