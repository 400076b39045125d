"""The rows a question contributes to the update: types, and how many there can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.protocols import Diagnosis, Rollout
from ffr.repair.scoring import ScoredRollout
from rewards.rir import RirTerms
from student.prompt_parts import StudentPrompt

__all__ = ["Category", "Outcome", "Source", "TrainRow", "check_arm", "pad_rows", "row_budget"]

Source = Literal["first", "second"]
Category = Literal[
    "right", "wrong", "no_patch", "guarded", "repaired_right", "repaired_wrong", "kept_failed",
    "plain_copy", "filler",
]
"""What a row is. ``right`` / ``wrong``: a first answer; ``no_patch``: a failure that was taken up
but got no patch (untaxed); ``guarded``: a failed original the improvement guard kept;
``kept_failed``: the extra negative of ``keep_failed_original``; ``plain_copy``: a right repaired
answer under the plain prompt; ``filler``: fills the row budget, never live."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that happened to one index of a group.

    Attributes:
        index: 0 to G - 1.
        first: the first answer.
        diagnosis: the teacher's verdict; ``None`` when this index was not taken up.
        patch: the evidence, also when it could not be shown.
        refusal: why there is no second answer although the index was taken up.
        second: the repaired answer.
        in_view: the evidence lay within the student's own view (``ffr.repair.observability``).
        seconds: wall time from the request for a diagnosis to the second answer.
    """

    index: int
    first: ScoredRollout
    diagnosis: Diagnosis | None = None
    patch: EvidencePatch | None = None
    refusal: NoPatch | None = None
    second: ScoredRollout | None = None
    in_view: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class TrainRow:
    """One sequence of the update.

    Attributes:
        rollout: the response whose tokens are trained.
        context: the prompt it is trained under: old, new and reference log-probs use this one.
        terms: its reward, term by term.
        advantage: group-normalised; 0.0 when not live.
        group: label of its baseline group; unique per question and kind.
        category: what the row is.
        live: whether its tokens enter the loss; a row that is not live is fully masked and may
            be dropped wherever the engine allows it.
        index: the index of the group it comes from.
        source: which pass the response comes from.
    """

    rollout: Rollout
    context: StudentPrompt
    terms: RirTerms
    advantage: float
    group: str
    category: Category
    live: bool
    index: int
    source: Source

    @property
    def reward(self) -> float:
        """Total reward."""
        return self.terms.total

    @property
    def tokens(self) -> int:
        """Response tokens."""
        return len(self.rollout.token_ids)

    @property
    def on_own_context(self) -> bool:
        """Whether it is trained under the prompt it was generated under."""
        return self.context is self.rollout.prompt

    @property
    def log_probs(self) -> tuple[float, ...] | None:
        """Sampling log-probs, only where they belong to the context of training."""
        return self.rollout.log_probs if self.on_own_context else None

    @property
    def prompt_ids(self) -> tuple[int, ...] | None:
        """Token ids of ``context`` if the engine gave them for exactly this prompt."""
        return self.rollout.prompt_ids if self.on_own_context else None


def check_arm(repair: RepairConfig, advantage: AdvantageConfig) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        UserError: naming the two keys and the fix.
    """
    if repair.chosen == "best_of_group" and (
        advantage.groups != "joint" or repair.train_context == "auto" or repair.keep_failed_original
    ):
        raise UserError(
            "repair.chosen=best_of_group trains one row per question; it needs "
            "advantage.groups=joint, repair.train_context=patched or plain, and "
            "repair.keep_failed_original=false"
        )
    if repair.keep_failed_original and advantage.groups == "split":
        raise UserError(
            "repair.keep_failed_original=true has no meaning with advantage.groups=split, which "
            "keeps every original as it is; set one of the two back"
        )


def row_budget(repair: RepairConfig, advantage: AdvantageConfig, group_size: int) -> int:
    """Most rows one question can contribute; constant over a run, so batch shapes are too.

    ``R`` is the most repairs per question, G the group size. ``joint`` (paper): exactly G, plus
    R plain copies for ``train_context=auto``, plus 1 for ``keep_failed_original``. ``split``:
    G + R; plain copies take the places of failed originals and need no rows of their own.

    Raises:
        UserError: for combinations that mean nothing.
    """
    check_arm(repair, advantage)
    limit = repair.max_per_question
    repairs = group_size if limit is None else min(limit, group_size)
    if advantage.groups == "split":
        return group_size + repairs
    copies = repairs if repair.train_context == "auto" else 0
    return group_size + copies + int(repair.keep_failed_original)


def pad_rows(rows: tuple[TrainRow, ...], budget: int) -> tuple[TrainRow, ...]:
    """Exactly ``budget`` rows: the given ones, then fillers made of the shortest of them.

    Raises:
        ValueError: no row to pad with, or more rows than the budget.
    """
    if not 1 <= len(rows) <= budget:
        raise ValueError(f"{len(rows)} rows do not fit a budget of {budget}; expected 1 to budget")
    cheap = min(rows, key=lambda row: (bool(row.context.patch_id), row.tokens, row.index))
    filler = TrainRow(
        rollout=cheap.rollout, context=cheap.context, terms=cheap.terms, advantage=0.0,
        group=f"{cheap.group}#filler", category="filler", live=False, index=cheap.index,
        source=cheap.source,
    )
    return rows + (filler,) * (budget - len(rows))
