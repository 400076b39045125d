"""The papers' released scorers, habits included (spec ffr §5; video_r2 §7.3, §10.5).

They are kept to reproduce published settings, not because they are right: option letters
must match character by character, ``42`` and ``42.0`` differ, and a one-word free-form
answer can earn at most 2/3. The default scorers are in ``rewards.accuracy``.

Ours: ``nan`` and ``inf`` as an answer earn 0 (the released code gives 1 for a ``nan`` regression
answer, which training would exploit), and two types the papers do not know and would score 0:
``text`` is exact equality, ``span`` the reward of Time-R1 (``rewards.temporal_iou``).
"""

from __future__ import annotations

import math
import re

from ffr.data.question import AnswerType, Question
from rewards.temporal_iou import released_iou
from rewards.text_scores import rouge_f1, word_error_rate
from student.time_span import parse_span

__all__ = ["first_answer", "parity_accuracy", "parity_format", "released_score"]

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_FORMAT = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)
_GUARD = 1e-9


def first_answer(response: str) -> str:
    """Content of the first answer tag pair anywhere in the response, stripped; else ``""``."""
    match = _ANSWER.search(response)
    return match.group(1).strip() if match else ""


def parity_format(response: str) -> float:
    """1.0 when the whole response is a think block, optional whitespace, an answer block."""
    return 1.0 if _FORMAT.fullmatch(response) else 0.0


def parity_accuracy(answer: str, question: Question) -> float:
    """Released accuracy reward in [0, 1] of a raw answer string.

    Raises:
        UserError: a scoring library is missing.
    """
    return released_score(answer, question.answer, question.answer_type)


def released_score(answer: str, gold: str, answer_type: AnswerType) -> float:
    """The same for a gold answer without its question.

    Raises:
        UserError: a scoring library is missing.
    """
    answer, gold = answer.strip(), gold.strip()
    match answer_type:
        case "choice" | "text":
            return 1.0 if answer == gold else 0.0
        case "number":
            return _number(answer, gold)
        case "regression":
            return _regression(answer, gold)
        case "ocr":
            return _clip(1.0 - word_error_rate(gold, answer)) if gold else 0.0
        case "span":
            stretch = parse_span(gold)
            return released_iou(answer, stretch) if stretch else 0.0
        case "free_form":
            return _clip(math.fsum(rouge_f1(gold, answer).values()) / 3)


def _number(answer: str, gold: str) -> float:
    if _has_mark(answer) != _has_mark(gold):
        return 0.0
    said, wanted = _parse(answer), _parse(gold)
    if said is None or wanted is None:
        return 0.0
    return 1.0 if round(said, 2) == round(wanted, 2) else 0.0


def _regression(answer: str, gold: str) -> float:
    said, wanted = _parse(answer), _parse(gold)
    if said is None or wanted is None:
        return 0.0
    return 1.0 - _clip((abs(said - wanted) + _GUARD) / (abs(wanted) + _GUARD))


def _has_mark(text: str) -> bool:
    return "." in text or "," in text


def _parse(text: str) -> float | None:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
