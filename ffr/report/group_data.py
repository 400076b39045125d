"""A group as plain data for the page: answers, diagnoses, rows; patches and questions apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ffr.data.question import Question, option_letters
from ffr.patches.looks import ToolLook
from ffr.patches.patch import EvidencePatch
from ffr.patches.record import StoredDiagnosis
from ffr.repair.record import AttemptRecord, DiagnosisRecord, GroupRecord, RowRecord
from ffr.report.texts import cut, cut_at_times

__all__ = ["group_data", "looks_data", "moments", "patch_data", "question_data"]

_SHOWN_APART = {
    "text", "answer", "accuracy", "format", "right", "dependency", "tokens", "prompt_tokens",
    "finish_reason", "problems",
}  # fmt: skip


def group_data(group: GroupRecord) -> dict[str, Any]:
    """Everything about one group but its question and its patches, which it names."""
    return {
        "step": group.step,
        "group": group.group,
        "question": group.question_id,
        "family": group.family,
        "gold": group.gold,
        "timings": group.timings.model_dump(),
        "outcomes": [
            {
                "index": outcome.index,
                "first": _attempt(outcome.first),
                "second": _attempt(outcome.second) if outcome.second else None,
                "diagnosis": _diagnosis(outcome.diagnosis) if outcome.diagnosis else None,
                "in_view": outcome.in_view,
                "seconds": outcome.seconds,
            }
            for outcome in group.outcomes
        ],
        "rows": [_row(row) for row in group.rows],
    }


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    pieces, times = cut_at_times(attempt.text)
    # Whatever else was measured of an answer is shown by its name.
    more = attempt.model_dump(exclude=_SHOWN_APART)
    return {
        "text": pieces,
        "times": times,
        "answer": attempt.answer,
        "right": attempt.right,
        "scores": {
            "accuracy": attempt.accuracy,
            "format": attempt.format,
            **({} if attempt.dependency is None else {"dependency": attempt.dependency}),
            **dict(_flat(more)),
        },
        "tokens": attempt.tokens,
        "prompt_tokens": attempt.prompt_tokens,
        "cut_off": attempt.finish_reason == "length",
        "problems": list(attempt.problems),
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Scalars of a nested mapping under dotted names; empty texts are left out."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, str):
            if value:
                yield name, cut(value)
        elif value is None or isinstance(value, int | float):
            # A missing component is news; an empty field of the record is not.
            if value is not None or prefix:
                yield name, value
        elif isinstance(value, list | tuple) and value:
            yield name, cut(", ".join(map(str, value)))


def _diagnosis(diagnosis: DiagnosisRecord) -> dict[str, Any]:
    return {
        "source": diagnosis.source,
        "seconds": diagnosis.seconds,
        "patch": diagnosis.patch_id,
        "no_patch": diagnosis.no_patch,
        "detail": cut(diagnosis.detail),
        "tools": {name: [t.calls, t.failures] for name, t in diagnosis.tools.items()},
        "counters": dict(diagnosis.counters),
        "looks": looks_data(diagnosis.looks),
    }


def looks_data(looks: Iterable[ToolLook]) -> list[dict[str, Any]]:
    """Tool calls with the times and boxes of what they showed."""
    return [
        {
            "name": look.name,
            "arguments": look.arguments,
            "ok": look.ok,
            "message": look.message,
            "shown": [[round(p.t_s, 3), list(p.box) if p.box else None] for p in look.shown],
        }
        for look in looks
    ]


def _row(row: RowRecord) -> dict[str, Any]:
    return {
        "index": row.index,
        "source": row.source,
        "context": row.context,
        "baseline": row.group,
        "category": row.category,
        "reward": row.reward,
        "terms": row.terms,
        "advantage": row.advantage,
        "live": row.live,
        "tokens": row.tokens,
    }


def patch_data(
    record: StoredDiagnosis, patch: EvidencePatch, images: Mapping[str, str | None]
) -> dict[str, Any]:
    """A patch with its texts cut at their times; ``images``: SHA-256 to image reference."""
    guidance, times = cut_at_times(patch.guidance)
    return {
        "errors": list(patch.error_types),
        "guidance": guidance,
        "times": sorted({*times, *(round(t, 3) for t in patch.key_times_s)}),
        "key_times": [round(t, 3) for t in patch.key_times_s],
        "markers": [cut_at_times(text)[0] for text in patch.temporal_markers],
        "regions": [
            {"t": round(r.t_s, 3), "box": list(r.box) if r.box else None,
             "desc": cut_at_times(r.desc)[0]}
            for r in patch.spatial_regions
        ],
        "frames": [
            {"t": round(f.t_s, 3), "box": list(f.box) if f.box else None, "label": f.label,
             "image": images.get(f.image_sha256)}
            for f in patch.frames
        ],
        "teacher": record.teacher_model,
        "looks": looks_data(record.looks),
    }  # fmt: skip


def question_data(question: Question) -> dict[str, Any]:
    """The question as asked, its gold answer, and where the evidence is, if known."""
    return {
        "text": cut(question.question),
        "options": [
            [letter, cut(option)]
            for letter, option in zip(
                option_letters(len(question.options)), question.options, strict=True
            )
        ],
        "type": question.answer_type,
        "answer": question.answer,
        "video": question.video,
        "gold": [[s.start_s, s.end_s, list(s.box) if s.box else None] for s in question.gold_spans],
    }


def moments(looks: Iterable[ToolLook], patch: EvidencePatch | None) -> set[float]:
    """Times of which the page should have the whole frame, seconds."""
    found = {shown.t_s for look in looks for shown in look.shown}
    if patch is not None:
        found |= {frame.t_s for frame in patch.frames}
        found |= {region.t_s for region in patch.spatial_regions}
        found |= set(patch.key_times_s)
    return found
