"""What happened to a group, as JSON: one line of ``rollouts/step_NNNNNN.jsonl``.

Metrics, the summary and the report read only this, so it holds every text, term and counter, but
no pixels and no prompts (those follow from the question and the patch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ffr.data.question import AnswerType, Question
from ffr.patches.looks import ToolLook
from ffr.repair.protocols import Diagnosis
from ffr.repair.rows import Category, Outcome, Source, TrainRow
from ffr.repair.scoring import ScoredRollout
from rewards.components.scorer import ComponentScores

__all__ = [
    "AttemptRecord",
    "DiagnosisRecord",
    "EvidenceRecord",
    "GroupRecord",
    "OutcomeRecord",
    "RowRecord",
    "Timings",
    "ToolCount",
    "group_record",
]


class _Record(BaseModel):
    """Frozen; unknown keys of a newer version are ignored when read back."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AttemptRecord(_Record):
    """One answer: text, what was read out of it, and its scores."""

    text: str
    answer: str | None
    accuracy: float
    format: float
    right: bool
    dependency: float | None = None
    tokens: int
    prompt_tokens: int | None = None
    finish_reason: Literal["stop", "length"]
    problems: tuple[str, ...] = ()
    components: dict[str, float | None] = {}
    """Reward components by name, gated, before weights; ``None``: missing."""
    component_problems: dict[str, str] = {}
    consistent: float | None = None
    """The consistency gate: 1, 0, ``None`` when unknown or not asked."""
    consistent_by: str = ""
    """Who decided, and why: ``rules: differs``; empty when the gate was not asked."""
    evidence: EvidenceRecord | None = None


class EvidenceRecord(_Record):
    """How an answer cites and reasons (``rewards.components.evidence``)."""

    cited: int
    invalid: int
    units: int
    transparency: float
    repetition: float
    length: int
    precision: float | None = None


class ToolCount(_Record):
    """Calls of one tool and how many of them failed."""

    calls: int
    failures: int


class DiagnosisRecord(_Record):
    """What the teacher said about one failure.

    ``no_patch`` is set when there was no second answer, also when a patch could not be shown.
    """

    source: Literal["store", "live", "none"]
    seconds: float
    patch_id: str | None = None
    no_patch: str | None = None
    detail: str = ""
    tools: dict[str, ToolCount] = {}
    counters: dict[str, float | None] = {}
    looks: tuple[ToolLook, ...] = ()


class OutcomeRecord(_Record):
    """One index of the group."""

    index: int
    first: AttemptRecord
    diagnosis: DiagnosisRecord | None = None
    second: AttemptRecord | None = None
    in_view: bool = False
    seconds: float = 0.0


class RowRecord(_Record):
    """One training row; ``terms`` are the weighted reward terms that sum to ``reward``.

    A component that was left out of the row's baseline group is not among them.
    """

    index: int
    source: Source
    context: Literal["plain", "patched"]
    group: str
    category: Category
    reward: float
    terms: dict[str, float]
    advantage: float
    live: bool
    tokens: int


class Timings(_Record):
    """Wall times in seconds; ``repair`` runs from the end of the first pass to the last answer."""

    first_pass: float
    repair: float
    total: float
    scoring: float = 0.0
    """Spent on reward components, both passes; time waiting for other groups included."""


class GroupRecord(_Record):
    """One question of one step.

    Attributes:
        step: the trainer's step, from 1; ``None`` outside training.
        attempt: which launch of the run wrote it: a resumed step appears again with a higher
            attempt, and only the highest counts (``ffr.run.records``).
        mode: ``validation`` records never hold a diagnosis.
        gold: the gold answer, for reports; models never see this file.
        shuffled: answers to shuffled frames, which are not trained (``temporal_contrast``).
        judge: what the text judge counted since the writer's last record.
    """

    schema_version: Literal[1] = 1
    step: int | None = None
    attempt: int = 0
    mode: Literal["train", "validation"] = "train"
    group: str
    question_id: str
    family: str = ""
    answer_type: AnswerType
    gold: str
    row_budget: int
    outcomes: tuple[OutcomeRecord, ...]
    rows: tuple[RowRecord, ...]
    timings: Timings
    shuffled: tuple[AttemptRecord, ...] = ()
    judge: dict[str, int] = {}

    def at(self, step: int, attempt: int) -> GroupRecord:
        """The same record with its place in the run."""
        return self.model_copy(update={"step": step, "attempt": attempt})


def group_record(
    question: Question,
    group: str,
    outcomes: Sequence[Outcome],
    rows: Sequence[TrainRow],
    row_budget: int,
    timings: Timings,
    mode: Literal["train", "validation"] = "train",
    shuffled: Sequence[ScoredRollout] = (),
) -> GroupRecord:
    """The record of one finished group."""
    return GroupRecord(
        mode=mode,
        group=group,
        question_id=question.id,
        family=question.family,
        answer_type=question.answer_type,
        gold=question.answer,
        row_budget=row_budget,
        outcomes=tuple(_outcome(outcome) for outcome in outcomes),
        rows=tuple(_row(row) for row in rows),
        timings=timings,
        shuffled=tuple(_attempt(scored) for scored in shuffled),
    )


def _outcome(outcome: Outcome) -> OutcomeRecord:
    return OutcomeRecord(
        index=outcome.index,
        first=_attempt(outcome.first),
        diagnosis=_diagnosis(outcome, outcome.diagnosis) if outcome.diagnosis else None,
        second=_attempt(outcome.second) if outcome.second else None,
        in_view=outcome.in_view,
        seconds=outcome.seconds,
    )


def _attempt(scored: ScoredRollout) -> AttemptRecord:
    rollout, score = scored.rollout, scored.score
    return AttemptRecord(
        text=rollout.text,
        answer=scored.answer,
        accuracy=score.accuracy,
        format=score.format,
        right=score.right,
        dependency=score.dependency,
        tokens=scored.tokens,
        prompt_tokens=None if rollout.prompt_ids is None else len(rollout.prompt_ids),
        finish_reason=rollout.finish_reason,
        problems=scored.problems,
        components=dict(scored.components.values),
        component_problems=dict(scored.components.problems),
        **_details(scored.components),
    )


def _details(scores: ComponentScores) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (gate := scores.consistent) is not None:
        found |= {"consistent": gate.value, "consistent_by": f"{gate.by}: {gate.reason}"}
    if (reading := scores.evidence) is not None:
        found["evidence"] = EvidenceRecord.model_validate(asdict(reading))
    return found


def _diagnosis(outcome: Outcome, diagnosis: Diagnosis) -> DiagnosisRecord:
    refusal = outcome.refusal
    tools: dict[str, ToolCount] = {}
    for name, calls, failures in diagnosis.tool_calls:
        before = tools.get(name, ToolCount(calls=0, failures=0))
        tools[name] = ToolCount(calls=before.calls + calls, failures=before.failures + failures)
    counters: dict[str, float | None] = {}
    for name, value in diagnosis.counters:
        counters[name] = (counters.get(name) or 0.0) + value
    return DiagnosisRecord(
        source=diagnosis.source,
        seconds=diagnosis.seconds,
        patch_id=outcome.patch.patch_id if outcome.patch else None,
        no_patch=refusal.reason if refusal else None,
        detail=refusal.detail if refusal else "",
        tools=tools,
        counters=counters,
        looks=diagnosis.looks,
    )


def _row(row: TrainRow) -> RowRecord:
    terms = row.terms
    return RowRecord(
        index=row.index,
        source=row.source,
        context="plain" if row.context.patch_id is None else "patched",
        group=row.group,
        category=row.category,
        reward=terms.total,
        terms={
            "accuracy": terms.accuracy,
            "format": terms.format,
            "dependency": terms.dependency,
            "tax": terms.tax,
            **{name: value for name, value in terms.components.items() if value is not None},
        },
        advantage=row.advantage,
        live=row.live,
        tokens=row.tokens,
    )
