"""Accuracy reward of a whole response: find the answer, score it by the declared type.

One scorer for all (``rewards.accuracy``); default reads the answer with the one parser, parity
with the released first-tag rule.
"""

from __future__ import annotations

from ffr.data.question import Question
from rewards.accuracy import ScoringMode, accuracy
from rewards.accuracy_parity import first_answer
from rewards.mean_relative_accuracy import mean_relative_accuracy
from student.parse import ParsedResponse, parse_number, parse_response

__all__ = ["benchmark_score", "relative_accuracy", "task_reward"]


def task_reward(
    response: str,
    question: Question,
    mode: ScoringMode = "default",
    *,
    parsed: ParsedResponse | None = None,
) -> float:
    """Video-R1's accuracy reward in [0, 1] by ``question.answer_type`` (spec video_r2 §7.3).

    Args:
        response: the whole decoded response.
        question: with the gold answer; its type is declared by the data.
        mode: our scorers or the released ones.
        parsed: the response already parsed, to save the work; default mode only.

    Raises:
        UserError: the gold answer cannot be scored, or a scoring library is missing.
    """
    if mode == "parity":
        return accuracy(first_answer(response), question, "parity")
    return accuracy((parsed or parse_response(response)).answer, question)


def benchmark_score(answer: str | None, question: Question) -> float:
    """What evaluation reports: mean relative accuracy for ``regression``, else the accuracy.

    Raises:
        UserError: as ``task_reward``.
    """
    score = accuracy(answer, question)  # also checks the gold answer
    if question.answer_type != "regression":
        return score
    return relative_accuracy(answer, question)


def relative_accuracy(answer: str | None, question: Question) -> float:
    """Mean relative accuracy of an answer to a numeric question; 0 for another unit or none."""
    said, gold = parse_number(answer or ""), parse_number(question.answer)
    if said is None or gold is None or said[1] != gold[1]:
        return 0.0
    return mean_relative_accuracy(said[0], gold[0])
