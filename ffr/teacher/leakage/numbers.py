"""Numbers in guidance: which merely say when and where to look, and which could be answers.

``digits`` writes number words as digits; ``scrub`` removes numbers that are timestamps, frame
indices, coordinates, ordinals or zoom factors, judged by their context.  Patterns are written
so that no text, however hostile, makes them slow.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from ffr.teacher.leakage.text import stem

__all__ = ["digits", "numbers", "scrub", "time_mentions"]

_UNIT_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPOKEN = {w: i for i, w in enumerate(_UNIT_WORDS.split())} | {
    w: 10 * i for i, w in enumerate(_TEN_WORDS.split(), 2)
}
_GROUPS = {"twice": 2, "thrice": 3, "duo": 2, "trio": 3, "quartet": 4, "dozen": 12}
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10}

_ANY_WORD = "|".join(sorted([*_SPOKEN, "hundred", "thousand"], key=len, reverse=True))
_MORE_WORDS = rf"(?:[ -](?:and )?(?:{_ANY_WORD}))"
_COMPOUND = re.compile(rf"\b(?:{_ANY_WORD}){_MORE_WORDS}+\b", re.IGNORECASE)
_NUMBER_WORD = re.compile(rf"\b(?:{_ANY_WORD})\b", re.IGNORECASE)
_NUMBER_PHRASES = re.compile(
    r"\b(half a )?(?:a )?(dozen|twice|thrice|trio|quartet|duo)\b"
    r"|\b(?:a )?(?:pair|couple) of\b|\b(?:single|once)\b",
    re.IGNORECASE,
)
# "one", "once" and "single" mostly count nothing.
_IDIOMS = re.compile(
    r"\b(?:the|this|that|which|each|every|no|any|another|some) (?:one|single)\b"
    r"|\bone (?:by one|at a time|more (?:time|look|check|pass)|of|by|at|after|or|another|point"
    r"|moment|side|who|that|which|way)\b"
    r"|\b(?:at|by) one\b|\bat once\b|(?:^|[.,;:!?] ?)once\b"
    r"|\bonce (?:the|it|he|she|they|you|a|an|this|that|more|again|all)\b",
    re.IGNORECASE,
)
_ROMAN = re.compile(r"(?<![\w'])X{0,2}(?:IX|IV|V?I{2,3}|VI|XI|XX)(?![\w'])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

_NUM = r"(?<!\d)(?<!\d\.)\d+(?:[.,]\d+)?"
_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|hours?|hrs?|秒|分)(?![a-z])"
_SEP = r"(?:,(?= )|[-–—~/;&]|to\b|and\b|or\b|until\b|till\b|through\b)"
_JOIN = rf" ?{_SEP}(?: ?{_SEP})? ?"
_CLOCK = r"(?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?(?![\d:])"
_TIMES = re.compile(
    rf"{_CLOCK}"
    rf"|{_NUM}(?:(?: ?{_UNIT})?{_JOIN}{_NUM})* ?-? ?{_UNIT}"
    rf"|(?:\bt|\btime|\btimestamps?|@) ?[=:≈~]? ?{_NUM}",
    re.IGNORECASE,
)
_BARE_TIMES = re.compile(
    rf"\b(?:at|around|near|from|until|till|after|before|between|since) (?:about |roughly )?"
    rf"{_NUM}(?:{_JOIN}{_NUM})*(?= ?[,;:)!?.]| ?$"
    r"| (?:the|a|an|on|in|of|for|when|where|while|as|and)\b)",
    re.IGNORECASE,
)
_COUNT_CUE = re.compile(
    r"\b(?:counts?|counted|number|total|sum|times|many|goes|went|changes?|increases?|rises?|drops?"
    r"|becomes?|scores?|answer|equals?|result|value)\b",
    re.IGNORECASE,
)
_PLACES = re.compile(
    rf"[\[(][\d .,;-]*[,;][\d .,;-]*[\])]|\b[xywh]\d? ?= ?{_NUM}"
    rf"|{_NUM} ?(?:px|pixels?|fps)\b|{_NUM} ?[x×](?!\w)",
    re.IGNORECASE,
)
_PERCENT = re.compile(rf"{_NUM} ?(?:%|percent\b)", re.IGNORECASE)
_ORDINAL = re.compile(r"\b\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_INDEXED = "frame|image|img|picture|shot|clip|crop|step|slot|segment|still|marker|point"
_POINTER = re.compile(
    rf"\b({_INDEXED})s?[ _#]?(?:no\.? ?|number )?{_NUM}(?:{_JOIN}{_NUM})*(?: ([a-z]+))?",
    re.IGNORECASE,
)
_EVIDENCE = re.compile(
    rf"{_NUM} (?:(?:key|marked|labell?ed|cited|attached|short|brief|other|different|adjacent"
    rf"|consecutive|neighbou?ring) )?({_INDEXED}|scene|view|moment|region|area|window)s?\b",
    re.IGNORECASE,
)


def digits(text: str) -> str:
    """``text`` with number words, Roman and CJK numerals as digits; idioms with "one" removed.

    Runs of white space become single spaces.
    """
    text = _THOUSANDS.sub("", " ".join(text.split()))
    text = _ROMAN.sub(lambda m: str(_roman(m.group())), text)
    text = "".join(_cjk(ch) for ch in text)
    text = _COMPOUND.sub(_spoken, text)
    text = _IDIOMS.sub(" ", text)
    text = _NUMBER_PHRASES.sub(_phrase, text)
    text = _NUMBER_WORD.sub(_spoken, text)
    return " ".join(text.split())


def scrub(text: str, asked: Collection[str], *, keep_times: bool, keep_percent: bool) -> str:
    """Remove numbers whose context makes them pointers, not values.

    Args:
        text: output of ``digits``.
        asked: stems of the question; "3 shots" points somewhere unless shots are asked about.
        keep_times: the question asks for a time, so a time may be its answer.
        keep_percent: the gold answer is a percentage.
    """
    if not keep_times:
        text = _TIMES.sub(" ", text)
        clauses = re.split(r"(?<=[.!?;]) ", text)
        text = " ".join(c if _COUNT_CUE.search(c) else _BARE_TIMES.sub(" ", c) for c in clauses)
    text = _PLACES.sub(" ", text)
    if not keep_percent:
        text = _PERCENT.sub(" ", text)
    text = _ORDINAL.sub(" ", text)

    def pointer(match: re.Match[str]) -> str:
        noun, follower = match.group(1), match.group(2) or ""
        counted = stem(noun.lower()) in asked or stem(follower.lower()) in asked
        return match.group() if counted else f" {follower}"

    def evidence(match: re.Match[str]) -> str:
        return match.group() if stem(match.group(1).lower()) in asked else " "

    return " ".join(_EVIDENCE.sub(evidence, _POINTER.sub(pointer, text)).split())


def numbers(text: str) -> list[str]:
    """Number literals left in a text, as written but with a decimal point (``12``, ``3.5``)."""
    return [m.replace(",", ".") for m in re.findall(_NUM, text)]


def time_mentions(text: str) -> list[float]:
    """Every number of ``text`` (output of ``digits``) read as seconds; clocks included."""
    times = [_clock_seconds(c) for c in re.findall(_CLOCK, text)]
    for value, minutes in re.findall(rf"({_NUM})( ?min)?", re.sub(_CLOCK, " ", text)):
        times.append(float(value.replace(",", ".")) * (60 if minutes else 1))
    return times


def _clock_seconds(clock: str) -> float:
    total = 0.0
    for part in clock.split(":"):
        total = 60 * total + float(part)
    return total


def _phrase(match: re.Match[str]) -> str:
    word = (match.group(2) or "").lower()
    if not word:
        return "2" if match.group().lower().endswith(" of") else "1"
    return str(_GROUPS[word] // 2 if match.group(1) else _GROUPS[word])


def _spoken(match: re.Match[str]) -> str:
    total = current = 0
    for word in re.split(r"[ -]", match.group().lower()):
        if word == "hundred":
            current = max(current, 1) * 100
        elif word == "thousand":
            total, current = total + max(current, 1) * 1000, 0
        else:
            current += _SPOKEN.get(word, 0)
    return str(total + current)


def _cjk(ch: str) -> str:
    if "\u4e00" <= ch <= "\u9fff":
        value = unicodedata.numeric(ch, None)
        if value is not None and value == int(value):
            return f" {int(value)} "
    return ch


def _roman(text: str) -> int:
    values = [_ROMAN_VALUES[c] for c in text]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))
