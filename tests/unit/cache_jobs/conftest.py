"""Questions, items and a job's configuration, without any file or teacher."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ffr.cache_jobs.items import Failure, ItemResult, VideoGroup, WorkItem, spoken
from ffr.data.question import Question


def choice(name: str = "q1", answer: str = "B", video: str = "v.mp4", count: int = 4) -> Question:
    return Question(
        id=name, video=video, question="Which one is put down?", answer_type="choice",
        options=tuple(f"thing {i}" for i in range(count)), answer=answer,
    )  # fmt: skip


def text(name: str = "t1", answer: str = "red", video: str = "v.mp4") -> Question:
    return Question(
        id=name, video=video, question="Which colour?", answer_type="text", answer=answer
    )


def failure(question: Question | None = None, wrong: str | None = "A") -> Failure:
    return Failure(
        question=question or choice(), response_text=spoken(wrong), wrong_answer=wrong
    )


def group(video: str, *keys: str) -> VideoGroup:
    return VideoGroup(
        video=video,
        items=tuple(
            WorkItem(key=key, failure=failure(choice(f"q-{key}", video=video))) for key in keys
        ),
    )


def result(item: WorkItem, outcome: str = "patch", **more: Any) -> ItemResult:
    question = item.failure.question
    values = {"source": "live", "counters": {"calls": 2.0, "tokens_in": 100.0, "tokens_out": 10.0}}
    return ItemResult(
        key=item.key, question_id=question.id, video=question.video, outcome=outcome,
        **(values | more),
    )  # fmt: skip


@pytest.fixture
def make() -> SimpleNamespace:
    """Builders by name."""
    return SimpleNamespace(
        choice=choice, text=text, failure=failure, group=group, result=result, spoken=spoken
    )
