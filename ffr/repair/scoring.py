"""From a rollout to what it is worth: parse, verify, format, alignment with the evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

from ffr.config.rewards import RewardConfig
from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.repair.protocols import Rollout
from rewards.components.context import GroupContext, RolloutContext
from rewards.components.scorer import ComponentScores
from rewards.dependency import dependency_alignment
from rewards.format import format_reward
from rewards.rir import AttemptScore
from rewards.rler.format import rler_format
from rewards.rler.terms import TokenCounter
from rewards.verdict import answer_of, verdict
from student.parse import ParsedResponse, parse_response

__all__ = ["ScoredRollout", "rollout_context", "score_rollout"]


@dataclass(frozen=True, eq=False)
class ScoredRollout:
    """A rollout with its verdict.

    Attributes:
        rollout: as sampled.
        answer: content of the answer block (parity: of the first answer tag pair), or ``None``.
        score: accuracy, format, verdict, dependency alignment, components.
        parsed: the response as the one parser reads it.
        components: details behind ``score.components``; empty until they have been scored.
    """

    rollout: Rollout
    answer: str | None
    score: AttemptScore
    parsed: ParsedResponse
    components: ComponentScores = field(default_factory=ComponentScores)

    @property
    def problems(self) -> tuple[str, ...]:
        """The parser's names for what is malformed."""
        return self.parsed.problems

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
    text = rollout.text
    parsed = parse_response(text)
    answer = answer_of(text, parsed, config.mode)
    worth, right = verdict(answer, question, config.mode)
    if config.format_rule == "evidence":
        form = rler_format(text, config.evidence)
    else:
        form = format_reward(text, "default" if config.mode == "default" else "parity",
                             parsed=parsed)  # fmt: skip
    dependency = None
    if patch is not None:
        dependency = dependency_alignment(parsed.think or "", parsed.keyframes_s, patch)
    return ScoredRollout(
        rollout, answer, AttemptScore(worth, form, right, dependency), parsed
    )


def rollout_context(
    scored: ScoredRollout,
    question: Question,
    group: GroupContext,
    patch: EvidencePatch | None = None,
    count_tokens: TokenCounter | None = None,
) -> RolloutContext:
    """What the reward components get to see of a verified rollout."""
    videos = scored.rollout.prompt.videos
    return RolloutContext(
        question=question,
        text=scored.rollout.text,
        parsed=scored.parsed,
        answer=scored.answer,
        accuracy=scored.score.accuracy,
        format=scored.score.format,
        right=scored.score.right,
        tokens=scored.tokens,
        attempt="first" if patch is None else "second",
        axis=videos[0].axis if videos else None,
        patch=patch,
        count_tokens=count_tokens,
        group=group,
    )
