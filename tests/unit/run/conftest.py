"""Group records built through the real models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ffr.repair.record import GroupRecord


def attempt(right: bool, tokens: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "text": "<think>a</think><answer>x</answer>", "answer": "x", "accuracy": float(right),
        "format": 1.0, "right": right, "tokens": tokens, "finish_reason": "stop",
    } | more


def row(index: int, source: str, reward: float, advantage: float, **more: Any) -> dict[str, Any]:
    return {
        "index": index, "source": source, "context": "plain", "group": "g1", "category": "right",
        "reward": reward, "advantage": advantage, "live": True, "tokens": 10,
        "terms": {"accuracy": reward - 1.0, "format": 1.0, "dependency": 0.0, "tax": 0.0},
    } | more


def group(step: int = 1, attempt_number: int = 1, **more: Any) -> GroupRecord:
    """One right first answer, one repaired, one leak, one silent; three live rows."""
    tools = {"zoom": {"calls": 2, "failures": 1}}
    outcomes = [
        {"index": 0, "first": attempt(True)},
        {
            "index": 1, "first": attempt(False), "second": attempt(True, 12), "in_view": True,
            "diagnosis": {
                "source": "live", "seconds": 2.0, "patch_id": "p" * 64, "tools": tools,
                "counters": {"leak_rejected": 1.0, "tokens_in": 100.0},
            },
        },
        {
            "index": 2, "first": attempt(False, finish_reason="length"),
            "diagnosis": {
                "source": "store", "seconds": 0.0, "no_patch": "leak", "tools": tools,
                "counters": {"leak_rejected": 5.0},
            },
        },
        {
            "index": 3, "first": attempt(False),
            "diagnosis": {"source": "none", "seconds": 0.0, "no_patch": "empty_response"},
        },
    ]
    rows = [
        row(0, "first", 2.0, 0.5),
        row(1, "second", 1.7, -0.5, category="repaired_right", tokens=12, context="patched"),
        row(2, "first", 1.0, 0.0, category="no_patch"),
        row(3, "first", 1.0, 0.0, category="no_patch", live=False),
    ]
    values: dict[str, Any] = {
        "step": step, "attempt": attempt_number, "group": f"s{step}q0", "question_id": "q0",
        "family": "temporal", "answer_type": "choice", "gold": "A", "row_budget": 4,
        "outcomes": outcomes, "rows": rows,
        "timings": {"first_pass": 1.0, "repair": 2.5, "total": 3.5},
    }
    return GroupRecord.model_validate(values | more)


@pytest.fixture
def make_group() -> Callable[..., GroupRecord]:
    return group
