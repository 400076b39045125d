"""What comes back for one question, and who can be asked, as a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ffr.data.question import AskedQuestion
from ffr.elect.candidate import RawCandidate
from ffr.elect.record import ElectionRecord
from ffr.elect.views import sequence_seed
from ffr.errors import UserError
from ffr.evaluate.rows import Failure
from student.prompt_parts import StudentPrompt

__all__ = ["Asker", "ModelStoppedError", "Reply", "item_seed"]


class ModelStoppedError(UserError):
    """The model cannot go on, for a reason that is no single question's."""


@dataclass(frozen=True, eq=False)
class Reply:
    """A response, or why there is none.

    Attributes:
        failure: ``None`` when there is a response.
        raw: the response; of an election that of the best supporter.
        prompt: what was shown; ``None`` for elections, which show several views.
        patch_id: of the evidence shown.
        election: the whole election.
        seconds: wall time of the model for this question.
    """

    failure: Failure | None = None
    raw: RawCandidate | None = None
    prompt: StudentPrompt | None = None
    patch_id: str | None = None
    election: ElectionRecord | None = None
    seconds: float = 0.0


class Asker(Protocol):
    """Asks a model questions under one protocol."""

    async def ask(self, batch: Sequence[AskedQuestion]) -> list[Reply]:
        """One reply per question, in order; what fails for one question is its ``failure``."""
        ...


def item_seed(seed: int, question_id: str) -> int:
    """Seed of a question's random stream, in [0, 2^31): the same beside whatever it runs."""
    return sequence_seed(seed, question_id, 0)
