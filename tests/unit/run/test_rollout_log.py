"""Group records on disk, and which of them count after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ffr.run.records import RolloutLog, current_records


def test_round_trip(tmp_path: Path, make_group: Any) -> None:
    log = RolloutLog(tmp_path)
    record = make_group(3)
    log.append(record)
    assert log.path(3).name == "step_000003.jsonl"
    assert log.steps() == [3]
    assert log.read(3).records == [record]
    assert log.read(4).records == []
    assert RolloutLog(tmp_path / "none").steps() == []


def test_record_without_a_step_is_refused(tmp_path: Path, make_group: Any) -> None:
    with pytest.raises(ValueError, match="no step"):
        RolloutLog(tmp_path).append(make_group(step=None))


def test_non_finite_counters_do_not_lose_the_record(tmp_path: Path, make_group: Any) -> None:
    record = make_group()
    outcomes = list(record.outcomes)
    broken = outcomes[1].diagnosis.model_copy(update={"counters": {"tokens_in": float("nan")}})
    outcomes[1] = outcomes[1].model_copy(update={"diagnosis": broken})
    log = RolloutLog(tmp_path)
    log.append(record.model_copy(update={"outcomes": tuple(outcomes)}))
    assert log.non_finite == 1
    (read,) = log.read(1).records
    assert read.outcomes[1].diagnosis.counters == {"tokens_in": None}


def test_lines_that_are_no_record_are_counted(tmp_path: Path, make_group: Any) -> None:
    log = RolloutLog(tmp_path)
    log.append(make_group())
    with log.path(1).open("a") as file:
        file.write('{"group": 1}\nnonsense\n')
    read = log.read(1)
    assert (len(read.records), read.bad_lines) == (1, 2)


def test_resumed_steps_count_once_and_lost_ones_not_at_all(make_group: Any) -> None:
    first = [make_group(step, 1) for step in (1, 2, 3, 4, 5)]
    second = [make_group(step, 2) for step in (3, 4)]
    kept = current_records([*first, *second])
    assert [(r.step, r.attempt) for r in kept] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    third = [make_group(4, 3)]
    kept = current_records([*third, *first, *second])
    assert [(r.step, r.attempt) for r in kept] == [(1, 1), (2, 1), (3, 2), (4, 3)]


def test_of_one_group_the_last_record_counts(make_group: Any) -> None:
    again = make_group(family="spatial")
    other = make_group(group="s1q1")
    assert current_records([make_group(), other, again]) == [again, other]
