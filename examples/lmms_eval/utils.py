"""The demo world as a task of lmms-eval: prompts in its usual layout, our own scorers."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from ffr.data.question import Question
from ffr.evaluate.score_item import score_answer

MEDIA_ROOT = Path("data/demo")


def doc_to_visual(doc: dict[str, Any]) -> list[str]:
    """The video of a question."""
    return [str(MEDIA_ROOT / doc["video"])]


def doc_to_text(doc: dict[str, Any], **_: Any) -> str:
    """Stem and lettered options."""
    letters = zip(string.ascii_uppercase, doc["options"] or (), strict=False)
    return "\n".join([doc["question"], *(f"{letter}. {text}" for letter, text in letters)])


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Accuracy of one answer, and whether it counts as right."""
    question = Question(
        id=doc["id"], video=doc["video"], question=doc["question"],
        options=tuple(doc["options"] or ()), answer_type=doc["answer_type"], answer=doc["answer"],
    )  # fmt: skip
    worth = score_answer(question, results[0] or None)
    return {"accuracy": worth.accuracy, "right": float(worth.right)}
