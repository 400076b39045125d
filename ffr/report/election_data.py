"""The election view: candidates, votes, overlap of the evidence, referee."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import ValidationError

from ffr.elect.record import CandidateRecord, ElectionRecord
from ffr.report.bundle import Bundle
from ffr.report.source import Source
from ffr.report.texts import cut_at_times

__all__ = ["election_data"]

_CHUNK = 100


def election_data(source: Source, number: int, bundle: Bundle) -> dict[str, Any] | None:
    """Totals and an index of elections, the rest in chunks; ``None`` when there are none."""
    latest: dict[str, ElectionRecord] = {}  # what was tried again counts once
    bad = 0
    for line in source.elections:
        try:
            record = ElectionRecord.model_validate(line)
        except ValidationError:
            bad += 1
        else:
            latest[record.question_id] = record
    records = list(latest.values())
    if not records:
        return None
    for start in range(0, len(records), _CHUNK):
        page = [_election(record, source) for record in records[start : start + _CHUNK]]
        bundle.chunk(f"elections-{number}-{start // _CHUNK}", page)
    return {
        "chunk_size": _CHUNK,
        "totals": _totals(records, bad),
        "rows": [
            [r.question_id, r.family, r.status, r.answer, r.right, r.generated, r.margin,
             bool(r.referee and r.referee.overturned)]
            for r in records
        ],
    }  # fmt: skip


def _totals(records: list[ElectionRecord], bad: int) -> dict[str, Any]:
    judged = [r for r in records if r.right is not None]
    refereed = [r for r in records if r.referee is not None]
    overturned = [r for r in refereed if r.referee is not None and r.referee.overturned]
    invalid = Counter(c.reason for r in records for c in r.candidates if c.reason is not None)
    return {
        "elections": len(records),
        "unreadable": bad,
        "status": dict(Counter(r.status for r in records)),
        "accuracy": sum(bool(r.right) for r in judged) / len(judged) if judged else None,
        "candidates": sum(r.generated for r in records) / len(records),
        "early": sum(r.stopped_early for r in records),
        "invalid": dict(invalid.most_common()),
        "refereed": len(refereed),
        "overturned": len(overturned),
        "overturned_right": sum(bool(r.right) for r in overturned),
        "overturned_from_right": sum(bool(r.right_before_referee) for r in overturned),
        "tokens": sum(r.prompt_tokens + r.completion_tokens for r in records),
    }


def _election(record: ElectionRecord, source: Source) -> dict[str, Any]:
    question = source.questions.get(record.question_id)
    counted = [i for i, c in enumerate(record.candidates) if c.answer is not None]
    return {
        **record.model_dump(mode="json", exclude={"candidates"}),
        "question": question.question if question else None,
        "options": list(question.options) if question else [],
        "gold": question.answer if question else None,
        "candidates": [_candidate(c) for c in record.candidates],
        "overlap": {
            "candidates": counted,
            "jaccard": [
                [_jaccard(record.candidates[a], record.candidates[b]) for b in counted]
                for a in counted
            ],
        },
    }


def _candidate(candidate: CandidateRecord) -> dict[str, Any]:
    return {**candidate.model_dump(mode="json"), "text": cut_at_times(candidate.text)[0]}


def _jaccard(one: CandidateRecord, other: CandidateRecord) -> float | None:
    """Shared part of the units two candidates cite; ``None`` when neither cites any."""
    a, b = set(one.cited), set(other.cited)
    return len(a & b) / len(a | b) if a | b else None
