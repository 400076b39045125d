"""Numbers that can be worked out: bounds, sums, products, shares, ordinals, split digits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ffr.teacher.leakage.gold import Gold
from ffr.teacher.leakage.number_words import ordinal_value
from ffr.teacher.leakage.numbers import NUMBER, numbers
from ffr.teacher.leakage.options import NEGATION
from ffr.teacher.leakage.text import sentences, stem

__all__ = ["says_value", "shows_digits"]

_BOUND = re.compile(
    rf"\b(more than|over|exceed(?:s|ing)?|above|greater than|fewer than|less than|under|below"
    rf"|short of|beyond|up to but not) ({NUMBER})",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    rf"({NUMBER})[^\W\d_ ]{{0,12}} ?(?:-|–|to|and|but|yet|up to)"
    rf"(?: (?:fewer|less|under|below|at most|than)){{0,2}} ?({NUMBER})",
    re.IGNORECASE,
)
_DOUBLE = re.compile(
    rf"\b(twice|double|2 times|2 ×|triple|3 times|half)"
    rf"(?: (?:of|as|many|much|the|number|than|a)){{0,4}} ({NUMBER})",
    re.IGNORECASE,
)
_TIMES_FACTOR = {"twice": 2.0, "double": 2.0, "2 times": 2.0, "2 ×": 2.0, "triple": 3.0,
                 "3 times": 3.0, "half": 0.5}  # fmt: skip
_LESS = re.compile(
    r"\b(?:less|minus|fewer|without|except|short of|from|starts?|ends?|leaves?|missing|lack\w{0,4}"
    r"|take away|subtract\w{0,3}|of (?:them|which|these)|not)\b|[-−]",
    re.IGNORECASE,
)
_OF_EACH = re.compile(
    r"\b(?:times|rows?|columns?|groups?|sets?|pairs?|lots|by|each|every|per|multipl\w{1,6})\b|[x×*]",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    rf"({NUMBER}) ?(cm|centimet\w{{2,3}}|mm|millimet\w{{2,3}}|km|kilomet\w{{2,3}})\b", re.IGNORECASE
)
_METRES = {"c": 0.01, "m": 0.001, "k": 1000.0}
_ORDINAL_NOUN = re.compile(r"\b([a-z]{5,11}|\d{1,4}(?:st|nd|rd|th)) ([a-z]{2,30})", re.IGNORECASE)
_EMPHASIS = re.compile(r"\b(both|double|triple) (?:of )?(?:the )?([a-z]{2,30})", re.IGNORECASE)
_EMPHASISED = {"both": 2, "double": 2, "triple": 3}
_DIGIT_OR_WORD = re.compile(r"(\d[\d.]*)|[^\W\d_]{1,30}|[!?;]")
_BETWEEN_WORDS = (
    "and then followed by at a is digit first second third fourth fifth sixth next last final"
)
_BETWEEN_DIGITS = frozenset(_BETWEEN_WORDS.split())


def says_value(scrubbed: str, unscrubbed: str, gold: Gold) -> bool:
    """Whether the number asked for is stated or can be worked out.

    Args:
        scrubbed: output of ``numbers.scrub``: numbers that point somewhere are gone.
        unscrubbed: the same text before.
        gold: with a ``value``.
    """
    value = gold.value
    assert value is not None
    if gold.phrase and any(t in gold.asked for t in gold.phrase if t[0].isdigit()):
        return False
    if _states(scrubbed, gold, value) or _counts_up(unscrubbed, gold, value):
        return True
    return any(_works_out(clause, gold, value) for clause in sentences(scrubbed))


def shows_digits(text: str, answer: str) -> bool:
    """Whether single digits in a row (``7, 3, then 1``) write a number of two digits or more."""
    wanted = "".join(re.findall(r"\d", answer))
    if len(wanted) < 2:
        return False
    run = ""
    for match in _DIGIT_OR_WORD.finditer(text):
        digit = match.group(1).rstrip(".") if match.group(1) else None
        if digit is None:
            ends = match.group().casefold() not in _BETWEEN_DIGITS
        else:
            ends = len(digit) != 1
            run += digit if not ends else ""
        if run == wanted and (ends or digit is None):
            return True
        if ends:
            run = ""
    return run == wanted


def _states(text: str, gold: Gold, value: float) -> bool:
    tolerance = 0.05 * abs(value) if gold.approximate else 1e-9
    mentioned = [float(n) for n in numbers(text)]
    mentioned += [
        float(n.replace(",", ".")) * _METRES[unit[0].lower()] for n, unit in _LENGTH.findall(text)
    ]
    if not any(abs(m - value) <= tolerance for m in mentioned):
        return False
    rivals = {t for other in gold.others.values() for t in other if t[0].isdigit()}
    return not (rivals and rivals <= set(numbers(text)) and not NEGATION.search(text))


def _counts_up(text: str, gold: Gold, value: float) -> bool:
    """``the fifth car``, ``both jumps``: the counted thing with the number as its ordinal."""
    for word, noun in _ORDINAL_NOUN.findall(text):
        if value >= 2 and ordinal_value(word) == value and stem(noun.lower()) in gold.asked:
            return True
    return any(
        _EMPHASISED[word.lower()] == value and stem(noun.lower()) in gold.asked
        for word, noun in _EMPHASIS.findall(text)
    )


def _works_out(clause: str, gold: Gold, value: float) -> bool:
    for word, number in _BOUND.findall(clause):
        low = word.lower().startswith(("more", "over", "exceed", "above", "greater", "beyond"))
        if _number(number) == value + (-1 if low else 1):
            return True
    for low_text, high_text in _BETWEEN.findall(clause):
        low_value, high_value = _number(low_text), _number(high_text)
        if low_value < value < high_value and high_value - low_value <= max(2, 0.25 * abs(value)):
            return True
    for word, number in _DOUBLE.findall(clause):
        if _number(number) * _TIMES_FACTOR[word.lower()] == value:
            return True
    found = [_number(n) for n in numbers(clause)[:12]]
    if _OF_EACH.search(clause) and any(a * b == value for a, b in pairwise(found) if a > 1 < b):
        return True
    return _combines(found, value, takes_away=_LESS.search(clause) is not None, gold=gold)


def _combines(found: Sequence[float], value: float, *, takes_away: bool, gold: Gold) -> bool:
    """Whether neighbours among the numbers of one clause make the value."""
    for first, second in pairwise(found):
        if takes_away and abs(first - second) == value:
            return True
        if gold.percent and second > 0 and abs(100 * first / second - value) < 0.5:
            return True
        if gold.percent and first > 0 and abs(100 * second / first - value) < 0.5:
            return True
    for start in range(len(found)):
        total = found[start]
        for number in found[start + 1 :]:
            total += number
            if total == value and number != 0:
                return True
    triples = zip(found, found[1:], found[2:], strict=False)
    return any(a * b + c == value or a * b - c == value for a, b, c in triples)


def _number(text: str) -> float:
    return float(text.replace(",", "."))
