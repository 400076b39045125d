"""Words as the leak rules compare them: one script of digits, no hidden characters, stems."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

__all__ = [
    "GENERIC",
    "clean",
    "contains",
    "content",
    "sentences",
    "stem",
    "words",
]

_STOP_WORDS = """
    a an the of to is are was were be been being it its he she they him his their her them this
    that these those there and or with for at by from as in on into onto has have had do does did
    will would then than while who which what s t
"""
_GENERIC_WORDS = """
    watch look track follow check count recount compare focus notice observe not pause zoom see
    find examine inspect review frame moment second time clip video region area scene image crop
    window part object subject closely careful again attention
"""
_IRREGULAR = {
    form: base
    for base, forms in {
        "run": "ran", "take": "took taken", "go": "went gone goes", "fall": "fell fallen",
        "throw": "threw thrown", "break": "broke broken", "eat": "ate eaten",
        "drink": "drank drunk", "sit": "sat", "stand": "stood", "hold": "held",
        "catch": "caught", "bring": "brought", "write": "wrote written", "drive": "drove driven",
        "ride": "rode ridden", "swim": "swam swum", "sing": "sang sung", "hide": "hid hidden",
        "tear": "tore torn", "wear": "wore worn", "blow": "blew blown", "fly": "flew flown",
        "draw": "drew drawn", "steal": "stole stolen", "bite": "bit bitten", "sleep": "slept",
        "weep": "wept", "sweep": "swept", "give": "gave given", "come": "came", "win": "won",
        "lose": "lost", "sell": "sold", "buy": "bought", "build": "built", "send": "sent",
        "man": "men", "woman": "women", "child": "children", "foot": "feet", "tooth": "teeth",
        "mouse": "mice", "goose": "geese", "knife": "knives", "wolf": "wolves", "shelf": "shelves",
    }.items()
    for form in forms.split()
}  # fmt: skip
_DERIVED = (
    ("wards", 4), ("ward", 4), ("ness", 4), ("ment", 5), ("ist", 5), ("ish", 3), ("like", 4),
    ("ly", 4), ("er", 5),
)  # fmt: skip
"""Endings that make a word of the same root, and how many letters must be left."""

_WORD = re.compile(
    r"\d+(?:[.,]\d+)*|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]|[^\W\d_\u3040-\u30ff\u4e00-\u9fff]+"
)
_SENTENCE = re.compile(r"(?<![.!?;])[.!?;]+(?=\s|$)|\n|[。！？；]")
_SPACES = re.compile(r"[^\S\n]+")
_QUOTES = {"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "。": ". ", "、": ", "}
_LETTER_SYMBOLS = (0x1F150, 0x1F170, 0x1F1E6)
"""Where alphabets of circled, squared and flag letters start that have no plain equivalent."""


def clean(text: str) -> str:
    """Compatibility-normalised text: plain digits and letters, no invisible characters or accents.

    Case is kept.  Digits of every script become ASCII, pictographs their names, and runs of white
    space one space (lines stay lines).
    """
    if not text.isascii():
        text = "".join(map(_plain, unicodedata.normalize("NFKD", text)))
        text = unicodedata.normalize("NFC", text)
    else:
        text = "".join(ch if ch >= " " or ch == "\n" else " " for ch in text)
    return _SPACES.sub(" ", text)


@lru_cache(maxsize=4096)
def _plain(ch: str) -> str:
    if ch.isascii():
        return ch if ch >= " " or ch == "\n" else " "
    if ch in _QUOTES:
        return _QUOTES[ch]
    for start in _LETTER_SYMBOLS:
        if start <= ord(ch) < start + 26:
            return chr(ord("A") + ord(ch) - start)
    category = unicodedata.category(ch)
    if category == "Nd":
        return str(unicodedata.digit(ch))
    if category in ("No", "Nl") and (value := unicodedata.numeric(ch)) == int(value):
        return str(int(value))
    if category in ("Cf", "Mn", "Me"):
        return ""
    if category == "Cc":
        return " "
    if category == "So":
        name = unicodedata.name(ch, "").lower()
        return f" {re.sub(r'black|white|heavy|symbol|sign', '', name)} "
    return ch


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A crude English root: inflections and a few derivations removed, doubled ends halved.

    Both sides of a comparison go through it, so it only has to be consistent.
    """
    word = _IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith(("ies", "ied")):
        word = word[:-3] + "y"
    if len(word) > 4 and word.endswith(("xes", "ses", "zes", "ches", "shes")):
        word = word[:-2]
    if len(word) > 5 and word.endswith("ily"):
        word = word[:-3] + "y"
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    for ending, left in _DERIVED:
        if word.endswith(ending) and len(word) - len(ending) >= left:
            word = word[: -len(ending)]
            break
    if (len(word) > 3 and word[-1] == "e") or (len(word) > 4 and word[-1] == "y"):
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and (word[-1] not in "sl" or len(word) > 6):
        word = word[:-1]
    return word


def words(text: str) -> list[str]:
    """Stems of all words and numbers of a cleaned text, in order; CJK characters singly."""
    return [stem(w) for w in _WORD.findall(text.casefold())]


_STOP = frozenset(_STOP_WORDS.split())
GENERIC = frozenset(stem(w) for w in _GENERIC_WORDS.split())
"""Stems any guidance uses; alone they say nothing about an answer."""


def content(tokens: Iterable[str]) -> list[str]:
    """Tokens that carry meaning; if none does, all of them."""
    listed = list(tokens)
    return [t for t in listed if t not in _STOP] or listed


def contains(haystack: Sequence[str], needle: Sequence[str]) -> bool:
    """Whether ``needle`` occurs as a contiguous run in ``haystack`` (an empty one does not)."""
    n = len(needle)
    if n <= 1:
        return n == 1 and needle[0] in haystack
    first, wanted = needle[0], list(needle)
    return any(
        token == first and list(haystack[i : i + n]) == wanted
        for i, token in enumerate(haystack[: len(haystack) - n + 1])
    )


def sentences(text: str) -> list[str]:
    """Sentences and clauses split at strong punctuation (not at decimal points)."""
    return [part for part in _SENTENCE.split(text) if part.strip()]
