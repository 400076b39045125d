"""Group records on disk: who appends them, and which of them count after a resume.

Workers of all processes append to ``rollouts/step_NNNNNN.jsonl``.  A resumed run repeats the
steps after its last checkpoint, under a higher ``attempt``; what an earlier attempt wrote for
those steps, and for any step beyond them, no longer counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ffr.repair.record import GroupRecord
from ffr.run.jsonl import RunFolderError, append_line, read_lines

__all__ = ["RolloutLog", "StepRecords", "current_records"]

_NAME = re.compile(r"^step_(\d{6,})\.jsonl$")


@dataclass(frozen=True)
class StepRecords:
    """What one file holds: its records in writing order, and lines that are none."""

    records: list[GroupRecord]
    bad_lines: int


class RolloutLog:
    """The folder of group records.

    Attributes:
        non_finite: NaN and infinite numbers this process wrote as ``null``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.non_finite = 0

    def path(self, step: int) -> Path:
        """The file of a step."""
        return self._folder / f"step_{step:06d}.jsonl"

    def append(self, record: GroupRecord) -> None:
        """Append a record to the file of its step.

        Raises:
            ValueError: the record has no step; set it with ``record.at(step, attempt)``.
            RunFolderError: full disk or no permission.
        """
        if record.step is None:
            raise ValueError("the record has no step; set it with record.at(step, attempt)")
        self.non_finite += append_line(self.path(record.step), record)

    def steps(self) -> list[int]:
        """Steps that have a file, ascending."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunFolderError.from_os_error("read", self._folder, error) from error
        return sorted(int(match.group(1)) for name in names if (match := _NAME.match(name)))

    def read(self, step: int) -> StepRecords:
        """Everything a step's file holds; lines that are no record are counted, not raised."""
        lines, bad = read_lines(self.path(step))
        records: list[GroupRecord] = []
        for line in lines:
            try:
                records.append(GroupRecord.model_validate(line))
            except ValidationError:
                bad += 1
        return StepRecords(records, bad)


def current_records(records: Iterable[GroupRecord]) -> list[GroupRecord]:
    """The records that count, by step and writing order.

    Of each step only the highest attempt counts, and nothing of an attempt counts from the first
    step on that a later attempt wrote. Of two records of one group the last counts.
    """
    begins: dict[int, int] = {}
    latest: dict[tuple[int, int, str], GroupRecord] = {}
    for record in records:
        step = record.step or 0
        begins[record.attempt] = min(step, begins.get(record.attempt, step))
        latest[record.attempt, step, record.group] = record
    kept = [
        (step, record)
        for (attempt, step, _), record in latest.items()
        if all(step < first for later, first in begins.items() if later > attempt)
    ]
    return [record for _, record in sorted(kept, key=lambda pair: pair[0])]
