"""The verdict on a response under one of the scoring modes: its answer, its worth, right or not.

Rewards of training and scores of evaluation both come through here.
"""

from __future__ import annotations

from typing import Literal

from ffr.data.question import Question
from rewards.accuracy import accuracy, is_right
from rewards.accuracy_parity import first_answer
from rewards.tasks.inferred_parity import released_video_r2_accuracy
from student.parse import ParsedResponse

__all__ = ["VerdictMode", "answer_of", "verdict"]

VerdictMode = Literal["default", "parity", "video_r2_parity"]
"""Our scorers, those of FFR's official code, those of Video-R2's."""


def answer_of(response: str, parsed: ParsedResponse, mode: VerdictMode) -> str | None:
    """What counts as the answer: the one parser's, or as released the first answer tag pair's."""
    return parsed.answer if mode == "default" else first_answer(response) or None


def verdict(answer: str | None, question: Question, mode: VerdictMode) -> tuple[float, bool]:
    """Accuracy in [0, 1], and whether that counts as right.

    Raises:
        UserError: the gold answer cannot be scored, or a scoring library is missing.
    """
    if mode == "default":
        worth = accuracy(answer, question)
        return worth, is_right(worth, question.answer_type)
    if mode == "parity":
        worth = accuracy(answer, question, "parity")
    else:
        worth = released_video_r2_accuracy(
            f"<answer>{answer or ''}</answer>", f"<answer>{question.answer}</answer>"
        )
    return worth, is_right(worth, question.answer_type, "parity")
