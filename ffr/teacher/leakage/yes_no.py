"""Yes-or-no questions: a statement of what is asked answers them, and so does its denial."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ffr.teacher.leakage.synonyms import Phrase, other_words, said_otherwise
from ffr.teacher.leakage.text import clean, content, stem, words

__all__ = ["Claim", "claim_of", "names_contrary", "settles"]

_AUX = re.compile(
    r"\b(?:does|do|did|is|are|was|were|has|have|had|can|could|will) (?!not\b)", re.IGNORECASE
)
_CUT = re.compile(
    r"[?,;.]|\b(?:before|after|when|while|until|during|because|if|by the time|or)\b", re.IGNORECASE
)
_DETERMINERS = "the a an his her its their this that these those any some"
_PREPOSITIONS = (
    "to in on at from with for by into onto of over under behind near off through against"
)
_STARTERS = frozenset(_DETERMINERS.split())
_BREAKS = _STARTERS | frozenset(_PREPOSITIONS.split())
_CLAUSE = re.compile(r"[^.!?;\n]{1,2000}[.!?;]?")
_OPEN = re.compile(
    r"\?$|\b(?:whether|if|how|may|might|could|can|should|would|or not|or doesn't|or isn't)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|never|no|nothing|nobody|none|neither|nor|without|fails? to|hardly|misses|cannot)\b"
    r"|n't\b",
    re.IGNORECASE,
)
_PRONOUNS = re.compile(r"\b(?:it|he|she|they|him|them|one)\b", re.IGNORECASE)
_PAIRS = (
    "open closed", "open shut", "on off", "empty full", "wet dry", "alive dead", "hot cold",
    "broken intact", "stop continue", "stand sit", "asleep awake", "leave stay", "win lose",
    "rise fall", "enter miss", "catch drop", "hit miss", "touch miss", "start stop", "move still",
    "light dark", "empty coin", "clean dirty", "moving parked", "arrive miss", "enter bounce",
)  # fmt: skip
_OPPOSITES: dict[str, set[str]] = {}
for _pair in _PAIRS:
    _one, _two = map(stem, _pair.split())
    _OPPOSITES.setdefault(_one, set()).add(_two)
    _OPPOSITES.setdefault(_two, set()).add(_one)

_YES = re.compile(r"\byes\b", re.IGNORECASE)
_NO = re.compile(
    r"\b(?:say|saying|says|said|answer|answering|answered|than|of|word|reply|not) [\"']?no\b"
    r"|[\"']no[\"']|\bno (?:is|was|would|does|cannot|can't|isn't|doesn't|has|fails)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Claim:
    """What a yes-or-no question asks: its predicate's stem, and all other content stems."""

    predicate: str
    about: frozenset[str]
    otherwise: dict[Phrase, frozenset[str]]


def claim_of(question: str) -> Claim | None:
    """The claim of a yes-or-no question, or ``None`` when its form is not understood."""
    text = clean(question)
    start = _AUX.search(text)
    if start is None:
        return None
    asked = re.findall(r"[\w']+", _CUT.split(text[start.end() :])[0].casefold())
    exists = asked[:1] == ["there"]
    while asked and (asked[0] in _STARTERS or asked[0] == "there"):
        asked = asked[1:]
    at = next((i for i, w in enumerate(asked) if w in _BREAKS and i >= (1 if exists else 2)), None)
    if not asked or (at is None and len(asked) < 2 and not exists):
        return None
    predicate = stem(asked[(at or len(asked)) - 1].removesuffix("'s"))
    about = frozenset(content(words(" ".join(asked)))) - {predicate}
    return Claim(predicate, about, other_words((predicate,)))


def settles(text: str, claim: Claim, gold: str) -> bool:
    """Whether a clause states the claim (gold ``yes``) or denies it (gold ``no``)."""
    for clause in _CLAUSE.findall(text):
        if _OPEN.search(clause):
            continue
        tokens = content(words(clause))
        if not (claim.about.intersection(tokens) or _PRONOUNS.search(clause)):
            continue
        said = claim.predicate in tokens or bool(said_otherwise([tokens], claim.otherwise))
        opposite = not _OPPOSITES.get(claim.predicate, set()).isdisjoint(tokens)
        denied = _NOT.search(clause) is not None
        if gold == "yes" and said and not denied:
            return True
        if gold == "no" and ((said and denied) or (opposite and not said and not denied)):
            return True
    return False


def names_contrary(text: str, gold: str) -> bool:
    """Whether a clause that asks nothing speaks of the other of the two answers."""
    contrary = _NO if gold == "yes" else _YES
    return any(
        contrary.search(clause) and not clause.endswith("?") for clause in _CLAUSE.findall(text)
    )
