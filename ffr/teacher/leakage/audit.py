"""The leak rate of patches that are already made: a store, or the store of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ffr.data.question import Question
from ffr.patches.patch import EvidencePatch
from ffr.patches.store import PatchStore
from ffr.patches.walk import all_records
from ffr.teacher.leakage.gate import check_patch

__all__ = ["RefusedPatch", "StoreAudit", "audit_store"]


@dataclass(frozen=True)
class RefusedPatch:
    """A stored patch the gate would not let pass now."""

    key: str
    question_id: str
    rules: tuple[str, ...]


@dataclass
class StoreAudit:
    """What an audit found.

    Attributes:
        checked: patches judged.
        refused: those the gate refuses, in the order of the store.
        left_out: patches that were not judged, by reason: ``unknown_question``, ``damaged``,
            ``rejected`` (by a person, so it is not served).
        failures: records that hold no patch, by reason; ``leak`` are those refused when made.
    """

    checked: int = 0
    refused: list[RefusedPatch] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def leak_rate(self) -> float | None:
        """Share of the judged patches that are refused; ``None`` when none was judged."""
        return len(self.refused) / self.checked if self.checked else None

    @property
    def by_rule(self) -> dict[str, int]:
        """Refused patches by rule, most frequent first; a patch may count for several."""
        found = Counter(rule for patch in self.refused for rule in patch.rules)
        return dict(found.most_common())

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "checked": self.checked,
            "refused": len(self.refused),
            "leak_rate": self.leak_rate,
            "by_rule": self.by_rule,
            "left_out": dict(self.left_out),
            "failures": dict(self.failures),
            "patches": [
                {"key": p.key, "question_id": p.question_id, "rules": list(p.rules)}
                for p in self.refused
            ],
        }


def audit_store(
    store: PatchStore,
    questions: Mapping[str, Question],
    responses: Mapping[str, Collection[str]] | None = None,
    on_record: Callable[[], None] = lambda: None,
) -> StoreAudit:
    """Judge every patch of a store by the rules; reads only, asks no model.

    Args:
        store: loose and compacted records are read.
        questions: with gold answers, by id.
        responses: failed responses a patch was shown for, by patch id; a patch is refused when it
            leaks for one of them.  Without any, nothing of an open answer counts as known, which
            is the stricter judgement.
        on_record: called after each record.

    Raises:
        StoreError: the store cannot be read.
    """
    audit = StoreAudit()
    for key, record in all_records(store):
        if record is None:
            audit.left_out["damaged"] += 1
        elif record.failure is not None:
            audit.failures[record.failure.reason] += 1
        elif record.patch is not None:
            question = questions.get(record.question_id)
            if store.reviews.refusal(key, record.patch.patch_id) is not None:
                audit.left_out["rejected"] += 1
            elif question is None:
                audit.left_out["unknown_question"] += 1
            else:
                audit.checked += 1
                known = (responses or {}).get(record.patch.patch_id) or ("",)
                if rules := _rules(question, record.patch, known):
                    audit.refused.append(RefusedPatch(key, question.id, rules))
        on_record()
    return audit


def _rules(
    question: Question, patch: EvidencePatch, responses: Collection[str]
) -> tuple[str, ...]:
    found = {rule for text in responses for rule in check_patch(question, patch, text).rules}
    return tuple(sorted(found))
