"""Rules about options: the gold letter as an answer, and elimination of the others."""

from __future__ import annotations

import re

from ffr.teacher.leakage.gold import Gold
from ffr.teacher.leakage.text import contains, content, sentences, words

__all__ = ["NEGATION", "names_gold_letter", "ruled_out", "says_the_other"]

_ORDINAL_WORDS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_ORDINALS = tuple(_ORDINAL_WORDS.split())
NEGATION = re.compile(
    r"\b(?:not|never|no|neither|nor|cannot|wrong|incorrect|false|exclud(?:e[sd]?|ing)"
    r"|eliminat(?:e[sd]?|ing)|rul(?:e[sd]?|ing) out|discard(?:ed)?|reject(?:ed)?|ignore|except"
    r"|rather than|instead of|other than|unlike|impossible|absent)\b|n't\b",
    re.IGNORECASE,
)
_NOUN = r"(?:options?|answers?|choices?|letters?|candidates?|alternatives?)"
_LIST = re.compile(rf"(?i:{_NOUN})\s+((?:[A-Z]\s*(?:,|and|or|/|&)\s*)+[A-Z])(?!\w)")
_OTHER = re.compile(
    rf"\bthe (?:other|remaining|opposite|alternative) {_NOUN}\b|\bthe opposite\b", re.IGNORECASE
)


def names_gold_letter(text: str, gold: Gold, standalone_ok: bool) -> bool:
    """Whether ``text`` points at the gold option by its letter or its place in the list.

    Args:
        text: cleaned text of one field, case kept.
        gold: the answer; without a letter nothing is found.
        standalone_ok: the question itself uses such letters as names ("player B"), so only
            explicit forms count.
    """
    letter = gold.letter
    if letter is None:
        return False
    for listed in _LIST.finditer(text):
        named = set(re.findall(r"[A-Z]", listed.group(1)))
        if letter in named and named != set(gold.letters):
            return True
    text = _LIST.sub(" ", text)
    low = letter.lower()
    explicit = (
        rf"(?i:{_NOUN}\s*(?:is|are|=|:|-|should be|must be|would be)?)\s*[\"'(\[]*{letter}(?!\w)"
        rf"|(?i:{_NOUN})\s*(?:is|=|:|-)?\s*[\"'(\[]*{low}\s*(?:[)\].,;\"']|$)"
        rf"|[\[(\"']\s*[{letter}{low}]\s*[)\]\"']"
        rf"|^\s*\W*{letter}\W*$|^\s*{low}\W*$"
        rf"|(?i:\b(?:choose|select|pick|mark|except|prefers?|supports?|favou?rs?|towards?|it's"
        rf"|it is|must be|should be))\s+[\"'(\[]*{letter}(?!\w)"
        rf"|(?i:\b(?:choose|select|pick|mark|answer)) [\"'(\[]*{low}[\"')\]]*\s*(?:[.,;!]|$)"
        rf"|(?:^|[\s\"'(\[]){letter}\s*[.):](?=\s|$)"
        rf"|(?<![\w'.-]){letter}\s+(?:is|looks|seems)\s+(?:the\s+)?(?:right|correct|best|true|answer)"
    )
    if re.search(explicit, text):
        return True
    if (
        letter not in "AI"
        and not standalone_ok
        and re.search(rf"(?<![\w'.-]){letter}(?![\w'-])", text)
    ):
        return True
    return _names_place(text, gold)


def _names_place(text: str, gold: Gold) -> bool:
    """Forms like "the second option", "option 2", "the last choice"."""
    assert gold.letter is not None
    position = gold.letters.index(gold.letter)
    ordinal = _ORDINALS[position] if position < len(_ORDINALS) else "(?!)"
    suffix = {0: "st", 1: "nd", 2: "rd"}.get(position, "th")
    last = "|last|final" if position == len(gold.letters) - 1 else ""
    pattern = (
        rf"\b(?:{ordinal}|{position + 1}{suffix}{last})\s+(?:listed\s+)?{_NOUN}\b"
        rf"|\b{_NOUN}\s*(?:#|no\.?|number)?\s*{position + 1}(?!\w|[.,]\d)"
    )
    return re.search(pattern, text, re.IGNORECASE) is not None


def ruled_out(text: str, gold: Gold) -> set[str]:
    """Letters of the wrong options that a sentence of ``text`` names as wrong."""
    found: set[str] = set()
    for sentence in sentences(text):
        if not NEGATION.search(sentence):
            continue
        tokens = content(words(sentence))
        for letter, phrase in gold.others.items():
            named = re.search(rf"(?<![\w'.-]){letter}(?![\w'-])", sentence)
            if letter in "AI" and named:
                named = re.search(
                    rf"(?i:{_NOUN}[^.]*)\b{letter}\b|[(\[\"']{letter}[)\]\"']|\b{letter}\s*[,)]"
                    rf"|\b{letter} (?:and|or|nor)\b",
                    sentence,
                )
            if named or (phrase and contains(tokens, phrase)) or _alludes(tokens, letter, gold):
                found.add(letter)
    return found


def _alludes(tokens: list[str], letter: str, gold: Gold) -> bool:
    """At least a third of the words that only this option has are among ``tokens``."""
    elsewhere = {t for k, other in gold.others.items() if k != letter for t in other}
    own = set(gold.others[letter]) - elsewhere - set(gold.phrase) - gold.asked
    return bool(own) and 3 * len(own.intersection(tokens)) >= len(own)


def says_the_other(text: str, gold: Gold) -> bool:
    """With two options, pointing at "the other one" gives the answer away."""
    return len(gold.letters) == 2 and _OTHER.search(text) is not None
