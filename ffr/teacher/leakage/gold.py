"""What the leak rules look for: the gold answer of one question in comparable form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ffr.data.question import Question, option_letters
from ffr.teacher.leakage.number_words import digits
from ffr.teacher.leakage.numbers import numbers, time_mentions
from ffr.teacher.leakage.synonyms import Phrase, other_words
from ffr.teacher.leakage.text import GENERIC, clean, contains, content, stem, words
from ffr.teacher.leakage.yes_no import Claim, claim_of

__all__ = ["Gold", "gold_of"]

_LIGHT_WORDS = (
    "stand go get come take put move make start begin end use show keep let up down out off over "
    "back near then still also another other side around away something someone"
)
_LIGHT = frozenset(stem(w) for w in _LIGHT_WORDS.split())
_LIGHT_WEIGHT = 0.3
"""Words that say little about an answer count for less than its nouns."""
_NO_THING = re.compile(
    r"^(?:nobody|no one|none|nothing|neither|cannot|can't|not |unknown|unclear|all of|both"
    r"|it is not)",
    re.IGNORECASE,
)
_YES_NO = {"yes": "yes", "true": "yes", "tru": "yes", "no": "no", "fals": "no"}
_ASKS_SHARE = re.compile(r"\bper ?cent|\bshare\b|\bfraction\b|\bproportion\b|%", re.IGNORECASE)
_STEP = re.compile(r"[,;]|->|→|\bthen\b|\band\b|\bbefore\b", re.IGNORECASE)
_EITHER = re.compile(r"\b(\w{1,40}) or (?:(?:an?|the|is|it|in|on) ){0,2}(\w{1,40})")
_ASKS_TIME = re.compile(
    r"\b(?:when|what time|which (?:second|minute)|how (?:long|many (?:seconds|minutes))"
    r"|at what (?:second|time|point|moment)|timestamp|duration)\b",
    re.IGNORECASE,
)
_ASKS_LENGTH = re.compile(r"\bhow (?:long|many (?:seconds|minutes))\b|\bduration\b", re.IGNORECASE)
_TIME_VALUE = re.compile(r"\d:\d\d|\d ?-?(?:s|secs?|seconds?|min(?:ute)?s?|秒)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Gold:
    """The gold answer as the rules compare it.

    Attributes:
        text: spelled out, cleaned, number words as digits.
        letter: option letter, for choice questions.
        letters: all option letters of the question.
        phrase: content stems of ``text``.
        others: content stems of every other option, by letter; for an open question that names
            two alternatives ("red or green?") the wrong one, under ``""``.
        asked: all stems of the question's stem.
        said: the question itself says the gold text, not as one of several alternatives.
        weights: stem to how strongly it singles the gold answer out (0 to 1); only stems that
            the question does not use.  A stem that k of the n-1 other options share weighs
            1 - k/(n-1).
        value: the number, when the answer is one.
        approximate: a value close to ``value`` earns credit too.
        times_s: the times, when the question asks for a time; ``asks_length`` for a duration.
        yes_no: ``yes`` or ``no`` for such an answer (true and false too), else ``""``.
        claim: what a yes-or-no question asks.
        named: the others that name a thing: not "nobody", "none of the above" and the like.
        steps: where options are the same steps in different orders, each step's stems to its place.
        otherwise: other wordings of ``phrase`` that neither question nor other options use.
    """

    text: str
    letter: str | None
    letters: tuple[str, ...]
    phrase: tuple[str, ...]
    others: dict[str, tuple[str, ...]]
    asked: frozenset[str]
    said: bool
    weights: dict[str, float]
    value: float | None
    approximate: bool
    times_s: tuple[float, ...]
    asks_length: bool
    percent: bool
    yes_no: str
    claim: Claim | None
    named: dict[str, tuple[str, ...]]
    steps: dict[str, int]
    otherwise: dict[Phrase, frozenset[str]]


@lru_cache(maxsize=256)
def gold_of(question: Question) -> Gold:
    """Facts of one question's gold answer."""
    text, asked_text = _prepare(question.answer_text), _prepare(question.question)
    letters = option_letters(len(question.options))
    options = {
        letter: tuple(content(words(_prepare(option))))
        for letter, option in zip(letters, question.options, strict=True)
    }
    letter = question.answer if question.answer_type == "choice" else None
    others = {k: v for k, v in options.items() if k != letter}
    phrase = tuple(content(words(text)))
    asked = words(asked_text)
    bare = [
        letter
        for letter, option in zip(letters, question.options, strict=True)
        if _NO_THING.search(option.strip())
    ]
    if not options and (wrong := _other_alternative(phrase, asked_text)):
        others = {"": wrong}
    weights = _weights(phrase, others, frozenset(asked))
    found = numbers(text)
    is_value = len(found) == 1 and (
        question.answer_type in ("number", "regression")
        or all(_is_number(t) for t in weights)
        or (not others and len(phrase) <= 3 and question.answer_type != "ocr")
    )
    value = float(found[0]) if is_value else None
    is_time = bool(found) and (
        question.answer_type == "span"
        or bool(_TIME_VALUE.search(text)) or (is_value and bool(_ASKS_TIME.search(asked_text)))
    )
    yes_no = _YES_NO.get(phrase[0], "") if len(phrase) == 1 else ""
    return Gold(
        text=text,
        letter=letter,
        letters=letters,
        phrase=phrase,
        others=others,
        asked=frozenset(asked),
        said=_said(phrase, others, asked, asked_text),
        weights=weights,
        value=value,
        approximate=question.answer_type == "regression" or (value is not None and value % 1 != 0),
        times_s=tuple(time_mentions(text)) if is_time else (),
        asks_length=bool(_ASKS_LENGTH.search(asked_text)),
        percent=_ASKS_SHARE.search(f"{text} {asked_text}") is not None,
        yes_no=yes_no,
        claim=claim_of(question.question) if yes_no else None,
        named={k: v for k, v in others.items() if k not in bare},
        steps=_steps(text, phrase, others),
        otherwise=_otherwise(phrase, others, asked),
    )


def _prepare(text: str) -> str:
    return digits(clean(text))


def _is_number(token: str) -> bool:
    return token[0].isdigit()


def _other_alternative(phrase: Phrase, asked_text: str) -> Phrase | None:
    for one, two in _EITHER.findall(asked_text.casefold()):
        if phrase == (stem(one),):
            return (stem(two),)
        if phrase == (stem(two),):
            return (stem(one),)
    return None


def _steps(text: str, phrase: Phrase, others: dict[str, Phrase]) -> dict[str, int]:
    if not any(sorted(other) == sorted(phrase) for other in others.values()):
        return {}
    parts = [content(words(part)) for part in _STEP.split(text) if part.strip()]
    return {t: at for at, part in enumerate(parts) for t in part if phrase.count(t) == 1}


def _otherwise(
    phrase: Phrase, others: dict[str, Phrase], asked: list[str]
) -> dict[Phrase, frozenset[str]]:
    taken = [content(asked), *others.values()]
    taken += [rival for other in others.values() for rival in other_words(other)]
    found = other_words(phrase)
    return {p: stems for p, stems in found.items() if not any(contains(t, p) for t in taken)}


def _weights(
    phrase: tuple[str, ...], others: dict[str, tuple[str, ...]], asked: frozenset[str]
) -> dict[str, float]:
    weights: dict[str, float] = {}
    for token in phrase:
        if token in asked:
            continue
        sharing = sum(token in other for other in others.values())
        weight = 1.0 - sharing / len(others) if others else 1.0
        if weight > 0:
            weights[token] = weight
    telling = {t: w for t, w in weights.items() if t not in GENERIC}
    if any(t not in _LIGHT for t in telling):
        telling = {t: _LIGHT_WEIGHT * w if t in _LIGHT else w for t, w in telling.items()}
    return telling or weights


def _said(
    phrase: tuple[str, ...],
    others: dict[str, tuple[str, ...]],
    asked: list[str],
    asked_text: str,
) -> bool:
    """The stem says it, and neither another option nor an "or" makes it one alternative."""
    telling = content(asked)
    if not contains(telling, phrase) or any(contains(telling, o) for o in others.values() if o):
        return False
    last, first = re.escape(phrase[-1]), re.escape(phrase[0])
    listed = rf"\b{last}\w* or\b|\bor (?:an? |the )?{first}"
    return not re.search(listed, asked_text, re.IGNORECASE)
