"""Whether a conclusion and an answer say the same, without the gold answer (spec video_r2 §3.4)."""

from __future__ import annotations

import re
import unicodedata

from ffr.data.question import AskedQuestion
from student.parse import parse_choice, parse_number
from student.time_span import parse_span

__all__ = ["same_conclusion"]

_RELATIVE = 0.01
_ABSOLUTE = 0.005
_SAME_END_S = 0.05
_ARTICLE = re.compile(r"^(?:a|an|the) ")


def same_conclusion(conclusion: str, answer: str, question: AskedQuestion) -> bool | None:
    """Letters, numbers within 1 % (at least 0.005) or normalised texts that agree.

    Args:
        conclusion: what the reasoning concludes, see ``rules_conclusion``.
        answer: content of the answer block.
        question: gives type and options.

    Returns:
        ``None`` when rules cannot tell: an unreadable letter or number on either side, or long
        texts (``ocr``, ``free_form``) that differ, where a judge may see the same meaning.
    """
    match question.answer_type:
        case "choice":
            said, meant = (parse_choice(t, question.options) for t in (conclusion, answer))
            return None if said is None or meant is None else said == meant
        case "number" | "regression":
            return _same_number(conclusion, answer)
        case "span":
            said_s, meant_s = parse_span(conclusion), parse_span(answer)
            return None if said_s is None or meant_s is None else _same_stretch(said_s, meant_s)
        case "text":
            # "see a blue circle" concludes "blue circle".
            return f" {_plain(answer)} " in f" {_plain(conclusion)} "
        case _:
            return True if _plain(conclusion) == _plain(answer) else None


def _same_number(conclusion: str, answer: str) -> bool | None:
    said, meant = parse_number(conclusion), parse_number(answer)
    if said is None or meant is None:
        return None
    limit = max(_RELATIVE * abs(meant[0]), _ABSOLUTE) + 1e-12
    return said[1] == meant[1] and abs(said[0] - meant[0]) <= limit


def _same_stretch(one: tuple[float, float], two: tuple[float, float]) -> bool:
    """Rounding apart, the same ends."""
    return all(abs(a - b) <= _SAME_END_S for a, b in zip(one, two, strict=True))


def _plain(text: str) -> str:
    words = " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
    return _ARTICLE.sub("", words) or words
