"""When two answers are the same (spec rler §2.4 rule 5, errata rulings 3, 4 and 7)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ffr.data.question import AnswerType
from student.parse import parse_choice, parse_number
from student.time_span import parse_span

__all__ = ["AnswerReader", "CompareAs", "text_key"]

CompareAs = AnswerType | Literal["any"]
"""``any``: the type is unknown, as behind the proxy: a letter, a number or text."""

_LETTER = re.compile(
    r"(?:option\s+)?[(\[]?([A-Za-z])[)\]]?[.:]?"
    r"|(?:option\s+)?(?:[(\[]([A-Za-z])[)\]]|([A-Za-z])[).:])\s+\S.*",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"(?<!\w)[+-]?\d+(?:[.,:]\d+)*%?(?!\w)|\w+")
_ARTICLES = frozenset({"a", "an", "the"})


@dataclass(frozen=True)
class AnswerReader:
    """Reads answers to one question.

    Attributes:
        kind: how they are compared.
        options: option texts of a choice question.
    """

    kind: CompareAs
    options: Sequence[str] = ()

    @property
    def clustered(self) -> bool:
        """Whether answers are numbers that need only be near each other."""
        return self.kind == "regression"

    def read(self, answer: str) -> tuple[str, float | None] | None:
        """Comparison key and numeric value, or ``None`` for what is no answer to this question.

        Choice: the option's letter; a letter outside the options is none. Number: equal when
        equal to two decimals, unit kept. Span: when both ends are equal
        to whole seconds. Regression: the unit is the key, the value decides
        (``ffr.elect.clusters``). Text, OCR, free form: ``text_key``.
        """
        match self.kind:
            case "choice":
                letter = parse_choice(answer, self.options)
                return None if letter is None else (letter, None)
            case "number" | "regression":
                number = parse_number(answer)
                if number is None:
                    return None
                value, unit = number
                key = unit if self.clustered else f"{round(value, 2) + 0.0!r}{unit}"
                return key, value
            case "span":
                stretch = parse_span(answer)
                return None if stretch is None else ("{:.0f} to {:.0f}".format(*stretch), None)
            case "any":
                return _any_key(answer)
            case _:
                key = text_key(answer)
                return (key, None) if key else None


def text_key(text: str) -> str:
    """Lower case, without punctuation and articles; signs and points of numbers stay."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(folded)
    kept = [word for word in words if word not in _ARTICLES] or words
    return " ".join(kept) or " ".join(folded.split())


def _any_key(answer: str) -> tuple[str, float | None] | None:
    plain = answer.strip().strip("*_`").strip()
    letter = _LETTER.fullmatch(plain)
    if letter:
        return next(group for group in letter.groups() if group).upper(), None
    number = parse_number(plain)
    if number is not None:
        return f"{round(number[0], 2) + 0.0!r}{number[1]}", number[0]
    key = text_key(plain)
    return (key, None) if key else None
