"""What is counted while the groups of a run pass by, beyond the totals of the summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby

from ffr.repair.record import AttemptRecord, GroupRecord, RowRecord
from ffr.report.outcomes import outcome_letter
from rewards.rler.gaming import CITED_SHARE_LIMIT
from student.parse import parse_response

__all__ = ["Tally"]

_SAME = 1e-9


@dataclass
class Tally:
    """Counts over training groups; ``add`` each once.

    Args:
        frames: frames the student sees, to tell citing everything; ``None`` when unknown.

    Attributes:
        groups: number of them.
        answers: first and second answers, ``cut_off`` and ``malformed`` of them.
        cites_much: answers that cite more than half as many different times as there are frames.
        baselines: groups rewards were compared in; ``flat``: those without any spread.
        outcomes: letter to number, by family.
        by_step: family to step to [right, number] of the first answers.
        seconds: of each live diagnosis.
        sources: diagnoses by where they came from.
        uses: how often each patch was shown.
    """

    frames: int | None = None
    groups: int = 0
    answers: int = 0
    cut_off: int = 0
    malformed: int = 0
    cites_much: int = 0
    baselines: int = 0
    flat: int = 0
    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_step: defaultdict[str, defaultdict[int, list[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: [0, 0]))
    )
    seconds: list[float] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    uses: Counter[str] = field(default_factory=Counter)

    def add(self, group: GroupRecord) -> None:
        """One more group; validation is left out."""
        if group.mode != "train":
            return
        self.groups += 1
        counts = self.by_step[group.family or "none"][group.step or 0]
        for outcome in group.outcomes:
            self.outcomes[group.family or "none"][outcome_letter(outcome)] += 1
            counts[0] += outcome.first.right
            counts[1] += 1
            for attempt in (outcome.first, outcome.second):
                if attempt is not None:
                    self._answer(attempt)
            if outcome.diagnosis is not None:
                self.sources[outcome.diagnosis.source] += 1
                if outcome.diagnosis.source == "live":
                    self.seconds.append(outcome.diagnosis.seconds)
                if outcome.diagnosis.patch_id and outcome.diagnosis.no_patch is None:
                    self.uses[outcome.diagnosis.patch_id] += 1
        self._spread(group)

    def _answer(self, attempt: AttemptRecord) -> None:
        self.answers += 1
        self.cut_off += attempt.finish_reason == "length"
        self.malformed += attempt.format < 1.0
        if self.frames and "<keyframes>" in attempt.text:
            cited = len(set(parse_response(attempt.text).keyframes_s))
            self.cites_much += cited > CITED_SHARE_LIMIT * self.frames

    def _spread(self, group: GroupRecord) -> None:
        def label(row: RowRecord) -> str:
            return row.group

        live = sorted((row for row in group.rows if row.live), key=label)
        for _, rows in groupby(live, key=label):
            rewards = [row.reward for row in rows]
            self.baselines += 1
            self.flat += max(rewards) - min(rewards) < _SAME
