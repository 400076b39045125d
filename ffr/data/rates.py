"""How often a student got each question right, from what runs recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffr.data.bad_rows import BadRow
from ffr.data.json_rows import read_json_rows
from ffr.errors import UserError
from ffr.repair.record import GroupRecord
from ffr.run.records import RolloutLog, current_records

__all__ = ["Rate", "Rates", "recorded_rates"]

Mode = Literal["train", "validation", "all"]


class Rate(BaseModel):
    """Right answers of ``n`` first attempts; a line of a pass-rate file, with ``id``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    n: int = Field(ge=1)
    right: int = Field(ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Rate:
        if self.right > self.n:
            raise ValueError(f"right={self.right} of n={self.n}; give at most n")
        return self

    @property
    def share(self) -> float:
        """In 0..1."""
        return self.right / self.n

    def __add__(self, other: Rate) -> Rate:
        return Rate(n=self.n + other.n, right=self.right + other.right)


@dataclass
class Rates:
    """Pass rates by question id.

    Attributes:
        by_id: the rates.
        unreadable: recorded lines that could not be read.
        other_mode: groups left out because they belong to the other mode.
    """

    by_id: dict[str, Rate] = field(default_factory=dict)
    unreadable: int = 0
    other_mode: int = 0

    def add(self, identity: str, rate: Rate) -> None:
        """Count further attempts at a question."""
        before = self.by_id.get(identity)
        self.by_id[identity] = rate if before is None else before + rate


def recorded_rates(
    path: Path, *, mode: Mode = "train", steps: tuple[int, int] | None = None
) -> Rates:
    """Pass rates from recorded first attempts; repaired second ones never count.

    Args:
        path: a run folder, a folder of ``step_NNNNNN.jsonl``, or a JSONL file of group records
            or of ``{"id", "n", "right"}``.
        mode: which groups count; validation often samples otherwise than training.
        steps: only from the first to the last of these, for a student that changed on the way.

    Raises:
        UserError: nothing that can be used is there.
    """
    rates = Rates()
    if path.is_dir():
        records = current_records(_folder_records(path, steps, rates))
        for record in records:
            _add_group(record, mode, rates)
    else:
        _read_file(path, mode, steps, rates)
    if not rates.by_id:
        raise UserError(
            f"{path} holds no recorded attempt of mode {mode!r} ({rates.unreadable} unreadable "
            f"lines, {rates.other_mode} groups of another mode); give a run folder of ffr-train "
            'or a JSONL file of {"id", "n", "right"}'
        )
    return rates


def _folder_records(
    path: Path, steps: tuple[int, int] | None, rates: Rates
) -> Iterator[GroupRecord]:
    log = RolloutLog(path / "rollouts" if (path / "rollouts").is_dir() else path)
    for step in log.steps():
        if steps is not None and not steps[0] <= step <= steps[1]:
            continue
        found = log.read(step)
        rates.unreadable += found.bad_lines
        yield from (_light(record) for record in found.records)


def _light(record: GroupRecord) -> GroupRecord:
    """The record without its texts, which would fill the memory."""
    outcomes = tuple(
        outcome.model_copy(
            update={"first": outcome.first.model_copy(update={"text": ""}), "second": None,
                    "diagnosis": None}
        )
        for outcome in record.outcomes
    )  # fmt: skip
    return record.model_copy(update={"outcomes": outcomes, "rows": ()})


def _read_file(path: Path, mode: Mode, steps: tuple[int, int] | None, rates: Rates) -> None:
    for _, row in read_json_rows(path):
        try:
            if isinstance(row, BadRow):
                raise ValueError(row.reason)
            if "outcomes" not in row:
                rates.add(_identity(row), Rate.model_validate(row, strict=True))
                continue
            record = GroupRecord.model_validate(row)
        except (ValidationError, ValueError):
            rates.unreadable += 1
            continue
        step = record.step or 0
        if steps is None or steps[0] <= step <= steps[1]:
            _add_group(record, mode, rates)


def _identity(row: Mapping[str, Any]) -> str:
    identity = row.get("id")
    if not isinstance(identity, str):
        raise ValueError("no id")
    return identity


def _add_group(record: GroupRecord, mode: Mode, rates: Rates) -> None:
    if mode not in ("all", record.mode):
        rates.other_mode += 1
    elif record.outcomes:
        right = sum(outcome.first.right for outcome in record.outcomes)
        rates.add(record.question_id, Rate(n=len(record.outcomes), right=right))
