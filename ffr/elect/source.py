"""What generates text: the one thing a back end must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ffr.elect.candidate import RawCandidate
from rewards.rler import TokenCounter
from student.prompt_parts import StudentPrompt

__all__ = ["Request", "Sampling", "Source"]


@dataclass(frozen=True)
class Sampling:
    """How one response is sampled; ``temperature`` 0 is greedy, ``seed`` in [0, 2^31)."""

    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int


@dataclass(frozen=True, eq=False)
class Request:
    """One response wanted."""

    prompt: StudentPrompt
    sampling: Sampling


class Source(Protocol):
    """A model that answers prompts."""

    @property
    def count_tokens(self) -> TokenCounter | None:
        """The model's tokenizer, if the back end has it."""
        ...

    @property
    def write_frame_times(self) -> bool:
        """Whether prompts must carry frame times as text because the back end writes none."""
        ...

    async def generate(self, requests: Sequence[Request]) -> list[RawCandidate]:
        """One response per request, in order, generated together: as a batch or concurrently.

        A failed call is returned with its error.
        """
        ...

    async def aclose(self) -> None:
        """Free what the source holds."""
        ...
