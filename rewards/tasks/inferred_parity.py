"""Video-R2's released accuracy reward, which guesses the question's type from the gold answer.

Kept to reproduce published settings (spec video_r2 §6.2, §10.5): any gold answer that begins with
a letter from A to E is taken for multiple choice and compared by its first letter, so *black* is
right where *blue* is.
"""

from __future__ import annotations

import re
from typing import Literal

from rewards.accuracy_parity import first_answer, released_score

__all__ = ["ReleasedType", "released_type", "released_video_r2_accuracy"]

ReleasedType = Literal["choice", "number", "regression", "ocr", "free_form"]

_FIRST_LETTER = re.compile(r"[A-Ea-e]")
_NUMBERS = (
    re.compile(r"[-+]?\d{1,3}(?:,\d{3})*(?:\.\d+)?"),
    re.compile(r"[-+]?\d+(?:\.\d+)?"),
)
_PLAIN_WORDS = re.compile(r"[A-Za-z0-9\s\-:]+")
_MOST_DECIMALS = 3
_MOST_WORDS = 5


def released_type(gold: str) -> ReleasedType:
    """The type the released code infers."""
    text = gold.strip()
    if _FIRST_LETTER.match(text):
        return "choice"
    if any(number.fullmatch(text) for number in _NUMBERS):
        decimals = text.rpartition(".")[2] if "." in text else ""
        return "regression" if len(decimals) > _MOST_DECIMALS else "number"
    if len(text.split()) <= _MOST_WORDS and _PLAIN_WORDS.fullmatch(text):
        return "ocr"
    return "free_form"


def released_video_r2_accuracy(response: str, solution: str) -> float:
    """Accuracy in [0, 1] of a response against the record's assistant turn, both with answer tags.

    Raises:
        UserError: a scoring library is missing.
    """
    said, gold = first_answer(response), first_answer(solution)
    kind = released_type(gold)
    if kind == "choice":
        return float(_letter(said) == _letter(gold))
    return released_score(said, gold, kind)


def _letter(text: str) -> str:
    match = _FIRST_LETTER.match(text)
    return match.group().upper() if match else text
