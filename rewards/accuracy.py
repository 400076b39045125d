"""Verifier: how right an answer is, in [0, 1], and whether that counts as right.

The default mode carries our fixes over the released scorers (errata rulings 1-4): option-aware
letters, one number grammar, case-insensitive transcription, and free-form answers that can earn
full marks. ``mode="parity"`` keeps the released habits (``rewards.accuracy_parity``).
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Literal

from ffr.data.question import AnswerType, Question
from ffr.errors import UserError
from rewards.accuracy_parity import parity_accuracy
from rewards.temporal_iou import temporal_iou
from rewards.text_scores import rouge_f1, rouge_tokens, word_error_rate
from student.parse import parse_choice, parse_number
from student.time_span import parse_span

__all__ = ["RIGHT_FROM", "ScoringMode", "accuracy", "gold_problem", "is_right"]

ScoringMode = Literal["default", "parity"]

RIGHT_FROM: dict[AnswerType, float] = {
    "choice": 1.0, "number": 1.0, "text": 1.0, "ocr": 0.9, "free_form": 0.9, "regression": 0.95,
    "span": 0.5,
}
"""Accuracy from which an answer counts as right (spec ffr §10, question 11; spans: R1@0.5)."""

_EDGES = re.compile(r"^\W+|\W+$")
_ARTICLE = re.compile(r"^(?:a|an|the) ")
_SAME_NUMBER = 1e-9


def is_right(
    accuracy: float, answer_type: AnswerType, mode: ScoringMode = "default"
) -> bool:
    """The verifier's verdict ``z``; parity asks for full accuracy of every type it knows."""
    strict = mode == "parity" and answer_type != "span"
    threshold = 1.0 if strict else RIGHT_FROM[answer_type]
    return accuracy >= threshold - 1e-12


def accuracy(answer: str | None, question: Question, mode: ScoringMode = "default") -> float:
    """Accuracy reward of an answer.

    Args:
        answer: content of the answer block; ``None`` or blank scores 0.
        question: gives the type, the options and the gold answer.
        mode: our scorers or the released ones.

    Returns:
        A finite value in [0, 1]. NaN, infinity and overflow as an answer score 0.

    Raises:
        UserError: the gold answer cannot be scored (see ``gold_problem``), or a scoring
            library is missing.
    """
    if answer is None or not answer.strip():
        return 0.0
    if mode == "parity":
        return parity_accuracy(answer, question)
    match question.answer_type:
        case "choice":
            return float(parse_choice(answer, question.options) == question.answer)
        case "number":
            return _same_number(answer, question)
        case "regression":
            return _closeness(answer, question)
        case "text":
            return float(_plain(answer) == _plain(question.answer))
        case "ocr":
            return _transcription(answer, question)
        case "free_form":
            return _overlap(answer, question)
        case "span":
            return _shared_time(answer, question)


def gold_problem(question: Question) -> str | None:
    """Why the gold answer cannot be scored in default mode, or ``None``; for dataset checks.

    Raises:
        UserError: ``rouge-score`` is missing (free-form questions only).
    """
    gold = question.answer
    if question.answer_type in ("number", "regression") and parse_number(gold) is None:
        return f"answer={gold!r} is not a number; give one such as 42, -3.5, 1,000 or 12%"
    if question.answer_type == "span" and parse_span(gold) is None:
        return (
            f"answer={gold!r} is not a stretch of time; give its start and end in seconds, such as "
            "'3.2 to 7.5', the start first"
        )
    if not gold.strip():
        return f"answer={gold!r} is blank; give the gold answer as text"
    if question.answer_type == "free_form" and not rouge_tokens(gold):
        return (
            f"answer={gold!r} holds no Latin letter or digit, which ROUGE needs; "
            "use answer_type 'text' or 'ocr'"
        )
    return None


def _gold_number(question: Question) -> tuple[float, str]:
    number = parse_number(question.answer)
    if number is None:
        raise UserError(f"id={question.id!r}: {gold_problem(question)}")
    return number


def _same_number(answer: str, question: Question) -> float:
    gold, unit = _gold_number(question)
    said = parse_number(answer)
    if said is None or said[1] != unit:
        return 0.0
    return float(math.isclose(said[0], gold, rel_tol=_SAME_NUMBER, abs_tol=_SAME_NUMBER))


def _closeness(answer: str, question: Question) -> float:
    """``1 - min(1, |said - gold| / |gold|)``; a gold of 0 is hit exactly or not at all."""
    gold, unit = _gold_number(question)
    said = parse_number(answer)
    if said is None or said[1] != unit:
        return 0.0
    if gold == 0.0:
        return float(said[0] == 0.0)
    return 1.0 - min(1.0, abs(said[0] - gold) / abs(gold))


def _transcription(answer: str, question: Question) -> float:
    """``1 - WER``, at least 0, whatever the case and spacing."""
    gold = _folded(question.answer)
    if not gold:
        raise UserError(f"id={question.id!r}: {gold_problem(question)}")
    return min(1.0, max(0.0, 1.0 - word_error_rate(gold, _folded(answer))))


def _overlap(answer: str, question: Question) -> float:
    """Mean F1 of ROUGE-1, -2 and -L; ROUGE-2 is left out where no bigram exists."""
    tokens = rouge_tokens(question.answer)
    if not tokens:
        raise UserError(f"id={question.id!r}: {gold_problem(question)}")
    scores = rouge_f1(question.answer, answer)
    if len(tokens) < 2:
        del scores["rouge2"]
    return min(1.0, max(0.0, math.fsum(scores.values()) / len(scores)))


def _shared_time(answer: str, question: Question) -> float:
    """Temporal IoU; what is no stretch of time shares none."""
    gold, said = parse_span(question.answer), parse_span(answer)
    if gold is None:
        raise UserError(f"id={question.id!r}: {gold_problem(question)}")
    return 0.0 if said is None else temporal_iou(said, gold)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _plain(text: str) -> str:
    """Folded, without surrounding punctuation and a leading article."""
    folded = _EDGES.sub("", _folded(text))
    return _ARTICLE.sub("", folded) or _folded(text)
