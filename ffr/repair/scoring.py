"""From a rollout to what it is worth: parse, verify, format, alignment with the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from ffr.config.repair import RewardConfig
from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.repair.protocols import Rollout
from rewards.accuracy import accuracy, is_right
from rewards.accuracy_parity import first_answer
from rewards.dependency import dependency_alignment
from rewards.format import format_reward
from rewards.rir import AttemptScore
from student.parse import parse_response

__all__ = ["ScoredRollout", "score_rollout"]


@dataclass(frozen=True, eq=False)
class ScoredRollout:
    """A rollout with its verdict.

    Attributes:
        rollout: as sampled.
        answer: content of the answer block (parity: of the first answer tag pair), or ``None``.
        score: accuracy, format, verdict, dependency alignment.
        problems: the parser's names for what is malformed.
    """

    rollout: Rollout
    answer: str | None
    score: AttemptScore
    problems: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """Length of the response in tokens, end token included."""
        return len(self.rollout.token_ids)

    @property
    def empty(self) -> bool:
        """Whether the student said nothing at all."""
        return not self.rollout.text.strip()


def score_rollout(
    rollout: Rollout,
    question: Question,
    config: RewardConfig,
    patch: EvidencePatch | None = None,
) -> ScoredRollout:
    """Verify one rollout; ``patch`` is the evidence it was given, if any.

    Raises:
        UserError: the gold answer cannot be scored, or a scoring library is missing.
    """
    parsed = parse_response(rollout.text)
    parity = config.mode == "parity"
    answer = (first_answer(rollout.text) or None) if parity else parsed.answer
    worth = accuracy(answer, question, config.mode)
    dependency = None
    if patch is not None:
        dependency = dependency_alignment(parsed.think or "", parsed.keyframes_s, patch)
    return ScoredRollout(
        rollout=rollout,
        answer=answer,
        score=AttemptScore(
            accuracy=worth,
            format=format_reward(rollout.text, config.mode, parsed=parsed),
            right=is_right(worth, question.answer_type, config.mode),
            dependency=dependency,
        ),
        problems=parsed.problems,
    )
