"""``summary.json``: what a run achieved, for scripts (design §2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError
from ffr.run.totals import RepairTotals, add_up

__all__ = [
    "Accuracy", "FamilyAccuracy", "RepairSummary", "StageSummary", "StoreSummary", "Summary",
    "ToolSummary", "TrainedSummary", "build_summary", "read_summary", "write_summary",
]

Status = Literal["ok", "stopped", "failed"]
EVALUATIONS = ("before_sft", "before", "after", "patched_before", "patched_after")
_ALL = "all"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StageSummary(_Part):
    """One stage over all launches."""

    seconds: float
    steps: int
    done: bool = True


class FamilyAccuracy(_Part):
    """Share of right answers on the test split; ``None`` where it was not measured.

    Attributes:
        n: questions answered (the largest of the evaluations).
        skipped: questions without an answer (unreadable media, no patch), all evaluations.
    """

    before_sft: float | None = None
    before: float | None = None
    after: float | None = None
    patched_before: float | None = None
    patched_after: float | None = None
    n: int = 0
    skipped: int = 0


class Accuracy(FamilyAccuracy):
    """Overall and by family of questions."""

    by_family: dict[str, FamilyAccuracy] = {}


class RepairSummary(_Part):
    """What the repair loop did during training (see ``ffr.run.totals``)."""

    rollouts: int
    failed: int
    teacher_calls: int
    patches: int
    succeeded: int
    leak_rejected: int
    no_patch: dict[str, int]


class TrainedSummary(_Part):
    """Response tokens that entered the loss, by the pass they come from."""

    original_tokens: int
    repaired_tokens: int


class ToolSummary(_Part):
    """Calls of one tool by the teacher."""

    calls: int
    failures: int


class StoreSummary(_Part):
    """Use of the patch store."""

    hits: int
    misses: int


class Summary(_Part):
    """A whole run; ``seconds`` is wall time over all launches.

    ``measures`` has what else was measured on the test split, by name and evaluation
    (``{"tac_strict": {"before": 0.97, "after": 0.95}}``).
    """

    schema_version: Literal[1] = 1
    status: Status
    stages: dict[str, StageSummary]
    accuracy: Accuracy
    measures: dict[str, dict[str, float]] = {}
    repair: RepairSummary
    trained: TrainedSummary
    tools: dict[str, ToolSummary]
    store: StoreSummary
    generated_sequences: int
    seconds: float


def build_summary(
    totals: RepairTotals,
    evaluations: Mapping[str, Mapping[str, Mapping[str, float]]],
    *,
    status: Status,
    stages: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> Summary:
    """Put a summary together.

    Args:
        totals: over the group records that count.
        evaluations: those of ``EVALUATIONS`` that were made, to
            ``{"all" or family: {"accuracy", "n", "skipped", ...}}``.
        status: how the run ended.
        stages: stage name to ``seconds``, ``steps`` and ``done``.
        seconds: wall time.
    """
    return Summary(
        status=status,
        stages={
            name: StageSummary(
                seconds=float(stage.get("seconds", 0.0)), steps=int(stage.get("steps", 0)),
                done=bool(stage.get("done", True)),
            )
            for name, stage in stages.items()
        },
        accuracy=_accuracy(evaluations),
        measures=_measures(evaluations),
        repair=RepairSummary(
            rollouts=totals.rollouts,
            failed=totals.failed,
            teacher_calls=totals.teacher_calls,
            patches=totals.patches,
            succeeded=totals.succeeded,
            leak_rejected=totals.leak_rejected,
            no_patch=dict(sorted(totals.no_patch.items())),
        ),
        trained=TrainedSummary(
            original_tokens=totals.tokens["original"], repaired_tokens=totals.tokens["repaired"]
        ),
        tools={
            name: ToolSummary(calls=calls, failures=failures)
            for name, (calls, failures) in sorted(totals.tools.items())
        },
        store=StoreSummary(hits=totals.store_hits, misses=totals.store_misses),
        generated_sequences=totals.generated_sequences,
        seconds=seconds,
    )


def write_summary(
    folder: RunFolder, *, status: Status, stages: Mapping[str, Mapping[str, Any]], seconds: float
) -> Summary:
    """Build the summary from what lies in the run folder and write ``summary.json``.

    Raises:
        RunFolderError: an evaluation's file is not readable, or the disk is full.
    """
    summary = build_summary(
        add_up(folder.read_all()), _evaluations(folder.path / "eval"),
        status=status, stages=stages, seconds=seconds,
    )
    folder.write_json(folder.summary_path.name, summary)
    return summary


def read_summary(path: Path) -> Summary:
    """The summary of a run folder or a ``summary.json``.

    Raises:
        RunFolderError: it is missing or not one of ours.
    """
    file = path / "summary.json" if path.is_dir() else path
    try:
        return Summary.model_validate_json(file.read_bytes())
    except OSError as error:
        raise RunFolderError.from_os_error("read", file, error) from error
    except ValueError as error:
        raise RunFolderError(f"{file} is no summary of this version; run again") from error


def _evaluations(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in EVALUATIONS:
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        try:
            found[name] = json.loads(path.read_bytes())
        except ValueError as error:
            raise RunFolderError(
                f"{path} is not JSON ({error}); delete it and run the same command again"
            ) from error
    return found


def _accuracy(evaluations: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Accuracy:
    families = sorted({name for table in evaluations.values() for name in table} - {_ALL})
    return Accuracy(
        **_family(evaluations, _ALL),
        by_family={name: FamilyAccuracy(**_family(evaluations, name)) for name in families},
    )


def _measures(
    evaluations: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in EVALUATIONS:
        for measure, value in evaluations.get(name, {}).get(_ALL, {}).items():
            if measure not in ("accuracy", "n", "skipped"):
                found.setdefault(measure, {})[name] = float(value)
    return found


def _family(
    evaluations: Mapping[str, Mapping[str, Mapping[str, float]]], family: str
) -> dict[str, Any]:
    values: dict[str, Any] = {"n": 0, "skipped": 0}
    for name in EVALUATIONS:
        row = evaluations.get(name, {}).get(family)
        if row is None:
            continue
        count = int(row["n"])
        values[name] = float(row["accuracy"]) if count else None
        values["n"] = max(values["n"], count)
        values["skipped"] += int(row.get("skipped", 0))
    return values
