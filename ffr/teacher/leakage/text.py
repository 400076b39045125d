"""Words as the leak rules compare them: one script of digits, no hidden characters, stems."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

__all__ = [
    "GENERIC",
    "clean",
    "contains",
    "content",
    "despaced",
    "sentences",
    "stem",
    "words",
]

_STOP_WORDS = """
    a an the of to is are was were be been being it its he she they them his her their him this
    that these those there and or with for at by from as in on into onto has have had do does did
    will would then than while who which what s t
"""
_GENERIC_STEMS = """
    watch look track follow check count recount compar focu notic observ not paus zoom see find
    examin inspect review fram moment second time clip video region area scen imag crop window
    part object subject closely careful again attention
"""
_STOP = frozenset(_STOP_WORDS.split())
GENERIC = frozenset(_GENERIC_STEMS.split())
"""Stems any guidance uses; alone they say nothing about an answer."""

_WORD = re.compile(
    r"\d+(?:[.,]\d+)*|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]|[^\W\d_\u3040-\u30ff\u4e00-\u9fff]+"
)
_SPELLED = re.compile(r"(?<!\w)\w([\-._*·/ ])\w(?:\1\w)+(?!\w)")
_SENTENCE = re.compile(r"[.!?;\n]+(?=\s|$)|\n")


def clean(text: str) -> str:
    """Compatibility-normalised text: plain digits, no invisible characters, no combining accents.

    Case is kept.  Digits of every script become ASCII.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    out = []
    for ch in decomposed:
        category = unicodedata.category(ch)
        if category == "Nd":
            out.append(str(unicodedata.digit(ch)))
        elif category in ("Cf", "Mn", "Me"):
            continue
        elif category == "Cc" and ch != "\n":
            out.append(" ")
        else:
            out.append({"’": "'", "‘": "'", "“": '"', "”": '"'}.get(ch, ch))
    return unicodedata.normalize("NFC", "".join(out))


def stem(word: str) -> str:
    """A crude English stem: plural, -ing, -ed and final -e removed, doubled ends halved.

    Both sides of a comparison go through it, so it only has to be consistent.
    """
    if len(word) > 4 and word.endswith(("ies", "ied")):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("xes", "ses", "zes", "ches", "shes")):
        word = word[:-2]
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word


def words(text: str) -> list[str]:
    """Stems of all words and numbers of a cleaned text, in order; CJK characters singly."""
    return [stem(w) for w in _WORD.findall(text.casefold())]


def content(tokens: Iterable[str]) -> list[str]:
    """Tokens that carry meaning; if none does, all of them."""
    listed = list(tokens)
    return [t for t in listed if t not in _STOP] or listed


def contains(haystack: Sequence[str], needle: Sequence[str]) -> bool:
    """Whether ``needle`` occurs as a contiguous run in ``haystack`` (an empty one does not)."""
    n = len(needle)
    first = needle[0] if n else None
    return any(
        token == first and list(haystack[i : i + n]) == list(needle)
        for i, token in enumerate(haystack[: len(haystack) - n + 1])
    )


def despaced(text: str) -> str:
    """Words spelled out letter by letter in ``text``, joined again: ``r-e-d`` gives ``red``.

    Each is also given without its first letter, which may have been an article.
    """
    joined = [m.group()[:: 1 + len(m.group(1))] for m in _SPELLED.finditer(text)]
    return " ".join(f"{word} {word[1:]}" for word in joined)


def sentences(text: str) -> list[str]:
    """Sentences and clauses split at strong punctuation (not at decimal points)."""
    return [part for part in _SENTENCE.split(text) if part.strip()]
