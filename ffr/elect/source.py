"""What generates text: the one thing a back end must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ffr.elect.candidate import RawCandidate
from rewards.rler import TokenCounter
from student.prompt_parts import StudentPrompt

__all__ = ["Sampling", "Source"]


@dataclass(frozen=True)
class Sampling:
    """How one response is sampled; ``temperature`` 0 is greedy, ``seed`` in [0, 2^31)."""

    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int


class Source(Protocol):
    """A model that answers prompts. Requests made at the same time may run as one batch."""

    @property
    def count_tokens(self) -> TokenCounter | None:
        """The model's tokenizer, if the back end has it."""
        ...

    @property
    def write_frame_times(self) -> bool:
        """Whether prompts must carry frame times as text because the back end writes none."""
        ...

    async def generate(self, prompt: StudentPrompt, sampling: Sampling) -> RawCandidate:
        """One response; a failed call is returned with its error."""
        ...

    async def aclose(self) -> None:
        """Free what the source holds."""
        ...
