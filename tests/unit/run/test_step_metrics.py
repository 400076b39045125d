"""Flat metrics of a step, checked against counts made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ffr.run.metrics import step_metrics


def test_counts_of_one_group(make_group: Any) -> None:
    found = step_metrics([make_group()])
    expected = {
        "accuracy/first_pass": 0.25, "accuracy/second_pass": 1.0,
        "generated/sequences": 5, "generated/tokens": 52, "generated/truncated_rate": 0.2,
        "repair/rollouts": 4, "repair/failed": 3, "repair/asked": 3, "repair/teacher_calls": 1,
        "repair/patches": 1, "repair/succeeded": 1, "repair/in_view": 1,
        "repair/leak_rejected": 1, "repair/intervention_ratio": 0.75, "repair/patch_rate": 1 / 3,
        "repair/success_rate": 1.0, "repair/no_patch/leak": 1,
        "repair/no_patch/empty_response": 1, "store/hits": 1, "store/misses": 1,
        "trained/original_tokens": 20, "trained/repaired_tokens": 12,
        "trained/zero_advantage_tokens": 10, "tools/zoom/calls": 2, "tools/zoom/failures": 1,
        "teacher/tokens_in": 100, "teacher/leak_rejected": 1, "rows/live": 3,
        "rows/no_patch": 2, "advantage/right/mean": 0.5, "advantage/repaired_right/mean": -0.5,
        "reward/total/mean": 4.7 / 3, "reward/total/zero_variance_groups": 0,
        "reward/format/zero_variance_groups": 1, "time/first_pass/mean": 1.0,
        "time/repair/max": 2.5, "time/diagnosis/max": 2.0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert all(isinstance(value, float) for value in found.values())


def test_groups_add_up(make_group: Any) -> None:
    one, two = step_metrics([make_group()]), step_metrics([make_group(), make_group(group="b")])
    for name in ("repair/rollouts", "tools/zoom/calls", "trained/repaired_tokens"):
        assert two[name] == 2 * one[name]
    assert two["repair/success_rate"] == one["repair/success_rate"]


def test_rates_without_a_denominator_are_left_out(make_group: Any) -> None:
    record = make_group()
    plain = record.model_copy(update={"outcomes": record.outcomes[:1], "rows": record.rows[:1]})
    found = step_metrics([plain])
    for name in ("accuracy/second_pass", "repair/patch_rate", "repair/success_rate",
                 "reward/total/std", "time/diagnosis/mean"):
        assert name not in found
    assert found["repair/teacher_calls"] == 0.0


def test_validation_records_do_not_count(make_group: Any) -> None:
    assert step_metrics([]) == {}
    assert step_metrics([make_group(mode="validation")]) == {}
