"""Group records made by hand, of one rollout each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ffr.repair.record import GroupRecord


def attempt(right: bool, **more: Any) -> dict[str, Any]:
    return {
        "text": "<think>at 2 s</think><answer>x</answer>", "answer": "x", "format": 1.0,
        "accuracy": float(right), "right": right, "tokens": 10, "finish_reason": "stop",
    } | more  # fmt: skip


@pytest.fixture
def make_group() -> Callable[..., GroupRecord]:
    """``make_group(first, second, no_patch, ...)``: one rollout; ``None`` leaves a part out."""

    def make(
        first: bool = True, second: bool | None = None, no_patch: str | None = None,
        patch_id: str | None = None, answer: dict[str, Any] | None = None, **more: Any,
    ) -> GroupRecord:  # fmt: skip
        outcome: dict[str, Any] = {"index": 0, "first": attempt(first, **(answer or {}))}
        if second is not None:
            outcome["second"] = attempt(second)
        if second is not None or no_patch is not None:
            outcome["diagnosis"] = {
                "source": "live", "seconds": 2.0, "no_patch": no_patch, "patch_id": patch_id,
            }  # fmt: skip
        row = {
            "index": 0, "source": "first", "context": "plain", "group": "g", "category": "right",
            "reward": 1.0, "terms": {"accuracy": 1.0}, "advantage": 0.0, "live": True, "tokens": 9,
        }  # fmt: skip
        values: dict[str, Any] = {
            "step": 1, "attempt": 1, "group": "g", "question_id": "q", "family": "temporal",
            "answer_type": "text", "gold": "y", "row_budget": 1, "outcomes": [outcome],
            "rows": [row], "timings": {"first_pass": 1.0, "repair": 0.0, "total": 1.0},
        }  # fmt: skip
        return GroupRecord.model_validate(values | more)

    return make
