"""From outcomes to training rows: the paper's joint group, and ours with split baselines.

``joint`` (paper, Fig. 2): one row per index, the original if right, else the repair; one baseline
per question.

``split`` (ours, design §6.0): originals keep their own group, so failed ones stay as negatives of
plain GRPO; repaired attempts form a second group with their own baseline. The tax is the same
for all of that second group and so cancels in it; it still ranks a plain copy below an answer
the student found alone. When every original failed alike, that group has no gradient: if the
question has repaired rows, such dead rows are marked ``live=False`` and need not be computed.
Without repaired rows nothing is marked, so that a run without a teacher is plain GRPO to the bit.

``train_context=auto`` with ``split``: a right repair whose evidence was in the student's view
takes the place of its failed original, under the plain prompt, until half of the group is right.
So the plain prompt gets a contrast exactly where plain GRPO has none, and no extra row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.config.rewards import RewardConfig
from ffr.data.question import AnswerType
from ffr.repair.rows import Category, Outcome, Source, TrainRow
from ffr.repair.scoring import ScoredRollout
from rewards.advantage import group_advantages
from rewards.rir import attempt_terms, missing_components, robust_improvement_reward
from student.prompt_parts import StudentPrompt

__all__ = ["build_rows"]


def build_rows(
    outcomes: Sequence[Outcome],
    plain: StudentPrompt,
    group: str,
    answer_type: AnswerType,
    repair: RepairConfig,
    reward: RewardConfig,
    advantage: AdvantageConfig,
) -> tuple[TrainRow, ...]:
    """All rows of one question with their advantages; at most ``row_budget`` of them.

    Args:
        outcomes: one per index, in order.
        plain: the first-pass prompt.
        group: label of the question's baseline group, unique within a batch.
        answer_type: decides about the improvement guard.
        repair: which rows and under which context.
        reward: how each is rewarded.
        advantage: how groups are formed and normalised.
    """
    if advantage.groups == "split":
        rows = list(_split_rows(outcomes, plain, group, repair, reward))
    else:
        rows = list(_joint_rows(outcomes, plain, group, answer_type, repair, reward))
    rows = _with_advantages(_comparable(rows), advantage)
    if advantage.groups == "split":
        return tuple(_dead_marked(rows))
    if repair.chosen == "best_of_group":
        return tuple(_best_only(rows))
    if repair.train_context == "auto":
        rows += list(_joint_copies(rows, outcomes, plain, group))
    return tuple(rows)


def _joint_rows(
    outcomes: Sequence[Outcome],
    plain: StudentPrompt,
    group: str,
    answer_type: AnswerType,
    repair: RepairConfig,
    reward: RewardConfig,
) -> Iterator[TrainRow]:
    replaced: list[TrainRow] = []
    for outcome in outcomes:
        terms = robust_improvement_reward(
            outcome.first.score,
            outcome.second.score if outcome.second else None,
            reward,
            answer_type=answer_type,
            guard=repair.improvement_guard,
        )
        original = replace(_first_row(outcome, plain, group, reward), terms=terms)
        if terms.guarded:
            yield replace(original, category="guarded")
        elif terms.chosen == "first" or outcome.second is None:
            yield original
        else:
            yield _second_row(outcome, outcome.second, plain, group, repair, reward)
            replaced.append(_first_row(outcome, plain, group, reward, "kept_failed"))
    if repair.keep_failed_original and replaced:
        yield min(replaced, key=lambda row: (row.reward, row.index))


def _split_rows(
    outcomes: Sequence[Outcome],
    plain: StudentPrompt,
    group: str,
    repair: RepairConfig,
    reward: RewardConfig,
) -> Iterator[TrainRow]:
    copies_left = 0
    if repair.train_context == "auto":
        right = sum(outcome.first.score.right for outcome in outcomes)
        copies_left = max(0, len(outcomes) // 2 - right)
    for outcome in outcomes:
        second = outcome.second
        if second is not None and copies_left and second.score.right and outcome.in_view:
            copies_left -= 1
            yield _row(outcome, second, plain, group, "plain_copy", reward)
        else:
            yield _first_row(outcome, plain, group, reward)
    for outcome in outcomes:
        if outcome.second is not None:
            label = f"{group}#repaired"
            yield _second_row(outcome, outcome.second, plain, label, repair, reward)


def _joint_copies(
    rows: Sequence[TrainRow], outcomes: Sequence[Outcome], plain: StudentPrompt, group: str
) -> Iterator[TrainRow]:
    """Plain copies of the paper's arm share the advantage of the row they copy."""
    for row in rows:
        if row.category == "repaired_right" and outcomes[row.index].in_view:
            yield replace(row, context=plain, category="plain_copy", group=f"{group}#copies")


def _comparable(rows: Sequence[TrainRow]) -> list[TrainRow]:
    """A component that one row of a baseline group lacks is left out of the whole group."""
    members: defaultdict[str, list[TrainRow]] = defaultdict(list)
    for row in rows:
        members[row.group].append(row)
    missing = {
        group: missing_components(row.terms for row in own) for group, own in members.items()
    }
    return [replace(row, terms=row.terms.without(missing[row.group])) for row in rows]


def _with_advantages(rows: Sequence[TrainRow], config: AdvantageConfig) -> list[TrainRow]:
    advantages = group_advantages(
        [row.reward for row in rows],
        [row.group for row in rows],
        config,
        repaired_right=[row.category in ("repaired_right", "plain_copy") for row in rows],
    )
    return [replace(row, advantage=a) for row, a in zip(rows, advantages, strict=True)]


def _dead_marked(rows: Sequence[TrainRow]) -> list[TrainRow]:
    if all(row.source == "first" for row in rows):
        return list(rows)
    signal: defaultdict[str, bool] = defaultdict(bool)
    for row in rows:
        signal[row.group] |= row.advantage != 0.0
    return [row if signal[row.group] else replace(row, live=False) for row in rows]


def _best_only(rows: Sequence[TrainRow]) -> list[TrainRow]:
    """Appendix E.2 read literally: one row of the group is trained, unaided ones first."""
    best = min(rows, key=lambda row: (-row.reward, row.source == "second", row.index))
    return [row if row is best else replace(row, advantage=0.0, live=False) for row in rows]


def _first_row(
    outcome: Outcome,
    plain: StudentPrompt,
    group: str,
    reward: RewardConfig,
    category: Category | None = None,
) -> TrainRow:
    if category is None:
        category = "wrong" if outcome.refusal is None else "no_patch"
        if outcome.first.score.right:
            category = "right"
    return _row(outcome, outcome.first, plain, group, category, reward)


def _second_row(
    outcome: Outcome,
    second: ScoredRollout,
    plain: StudentPrompt,
    group: str,
    repair: RepairConfig,
    reward: RewardConfig,
) -> TrainRow:
    context = plain if repair.train_context == "plain" else second.rollout.prompt
    category: Category = "repaired_right" if second.score.right else "repaired_wrong"
    return _row(outcome, second, context, group, category, reward)


def _row(
    outcome: Outcome,
    scored: ScoredRollout,
    context: StudentPrompt,
    group: str,
    category: Category,
    reward: RewardConfig,
) -> TrainRow:
    source: Source = "first" if scored is outcome.first else "second"
    return TrainRow(
        rollout=scored.rollout,
        context=context,
        terms=attempt_terms(scored.score, reward, source),
        advantage=0.0,
        group=group,
        category=category,
        live=True,
        index=outcome.index,
        source=source,
    )
