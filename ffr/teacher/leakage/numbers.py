"""Numbers in guidance: which merely say when and where to look, and which could be answers.

``scrub`` removes numbers that are timestamps, frame indices, coordinates, ordinals or zoom
factors, judged by their context.  Repetitions in patterns are bounded, so that the time grows with
the length of a text and no faster, however hostile it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ffr.teacher.leakage.text import stem

__all__ = ["NUMBER", "numbers", "scrub", "time_mentions"]

NUMBER = r"(?<!\d)(?<!\d\.)\d{1,15}(?:[.,]\d{1,9})?"
"""Pattern of a number literal."""
_NUM = NUMBER
_UNIT = (
    r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|hours?|hrs?|秒|分(?= ?(?:钟|\d)))"
    r"(?![a-z])"
)
_SEP = r"(?:,(?= )|[-–—~/;&]|to\b|and\b|or\b|until\b|till\b|through\b)"
_JOIN = rf" ?{_SEP}(?: ?{_SEP})? ?"
_CLOCK = r"(?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?(?![\d:])"
_TIMES = re.compile(
    rf"{_CLOCK}"
    rf"|{_NUM}(?:(?: ?{_UNIT})?{_JOIN}{_NUM}){{0,8}} ?-? ?{_UNIT}"
    rf"|(?:\bt|\btime|\btimestamps?|@) ?[=:≈~]? ?{_NUM}",
    re.IGNORECASE,
)
_BARE_TIMES = re.compile(
    rf"\b(?:at|around|near|from|until|till|after|before|between|since) (?:about |roughly )?"
    rf"{_NUM}(?:{_JOIN}{_NUM}){{0,8}}(?= ?[,;:)!?.]| ?$"
    r"| (?:the|a|an|on|in|of|for|when|where|while|as|and(?! \d))\b)",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(rf"{_NUM} ?(?:[ap]\.m\.|[ap]m\b|o'clock)", re.IGNORECASE)
_COUNT_CUE = re.compile(
    r"\b(?:counts?|counted|number|total|sum|times|many|goes|went|changes?|increases?|rises?|drops?"
    r"|becomes?|scores?|answer|equals?|result|value)\b",
    re.IGNORECASE,
)
_PLACES = re.compile(
    rf"[\[(][\d.]{{1,9}}(?: ?[,;-] ?[\d.]{{1,9}}){{1,5}} ?[\])]|\b[xywh]\d? ?= ?{_NUM}"
    r"|\b(?:crop|box|bbox|region)s?:? [\d.]{1,9}(?: ?, ?[\d.]{1,9}){3}"
    rf"|{_NUM} ?(?:px|pixels?|fps)\b|{_NUM} ?[x×] (?=zoom|crop|magnif|close|enlarge)"
    rf"|\b(?:zoom|enlarge|magnif)\w{{0,6}} (?:\w{{1,12}} ){{0,4}}{_NUM} ?(?:[x×](?!\w)|times\b)",
    re.IGNORECASE,
)
_PERCENT = re.compile(rf"{_NUM} ?(?:%|percent\b)", re.IGNORECASE)
_ORDINAL = re.compile(r"\b\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_INDEXED = "frame|image|img|picture|shot|clip|crop|step|slot|segment|still|marker|point"
_POINTER = re.compile(
    rf"\b({_INDEXED})s?[ _#]?(?:no\.? ?|number )?{_NUM}(?:{_JOIN}{_NUM}){{0,30}}"
    r"(?: ([a-z]{1,30}))?",
    re.IGNORECASE,
)
_EVIDENCE = re.compile(
    rf"{_NUM} (?:(?:key|marked|labell?ed|cited|attached|short|brief|other|different|adjacent"
    rf"|consecutive|neighbou?ring) )?({_INDEXED}|scene|view|moment|region|area|window|corner"
    r"|edge|side|half|halve|angle|camera|place|spot|hand|arm|leg|eye|shoulder|option|alternative)s?\b",
    re.IGNORECASE,
)


def scrub(text: str, asked: Collection[str], *, keep_times: bool, keep_percent: bool) -> str:
    """Remove numbers whose context makes them pointers, not values.

    Args:
        text: output of ``digits``.
        asked: stems of the question; "3 shots" points somewhere unless shots are asked about.
        keep_times: the question asks for a time, so a time may be its answer.
        keep_percent: the gold answer is a percentage.
    """
    if not keep_times:
        text = _HALF_DAY.sub(" ", _TIMES.sub(" ", text))
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
