"""Other words for an answer, from a small lexicon of common answers of video questions.

A lexicon cannot be complete: what it misses is the blind test's to find (``blind.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

from ffr.teacher.leakage.number_words import digits
from ffr.teacher.leakage.text import clean, contains, content, words

__all__ = ["Phrase", "other_words", "said_otherwise"]

Phrase = tuple[str, ...]
"""Content stems of a word or a few words, in order."""


def other_words(phrase: Sequence[str]) -> dict[Phrase, frozenset[str]]:
    """Wordings that give parts of ``phrase`` away, each with the stems of it that it stands for.

    Args:
        phrase: content stems of an answer.
    """
    found: dict[Phrase, set[str]] = defaultdict(set)
    for token in set(phrase):
        for head, alternatives in _lexicon().get(token, ()):
            if contains(phrase, head):
                for other in alternatives:
                    if not contains(phrase, other):
                        found[other].update(head)
    return {other: frozenset(stems) for other, stems in found.items()}


def said_otherwise(
    fields: Iterable[Sequence[str]], alternatives: dict[Phrase, frozenset[str]]
) -> set[str]:
    """Stems of the answer for which one of the fields uses another wording."""
    said: set[str] = set()
    for tokens in fields:
        present = set(tokens)
        for other, stems in alternatives.items():
            if present.issuperset(other) and contains(tokens, other):
                said |= stems
    return said


@cache
def _lexicon() -> dict[str, list[tuple[Phrase, frozenset[Phrase]]]]:
    """By first stem: a wording, and the other wordings that give it away."""
    text = resources.files(__package__).joinpath("lexicon.txt").read_text(encoding="utf-8")
    table: dict[Phrase, set[Phrase]] = defaultdict(set)
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        same, _, hints = line.partition(">")
        heads, telling = _phrases(same), _phrases(hints)
        for head in heads:
            table[head] |= {p for p in (*heads, *telling) if p != head}
    index: dict[str, list[tuple[Phrase, frozenset[Phrase]]]] = defaultdict(list)
    for head, others in table.items():
        index[head[0]].append((head, frozenset(others)))
    return dict(index)


def _phrases(listed: str) -> list[Phrase]:
    texts = (clean(part.strip()) for part in listed.split("|") if part.strip())
    phrases = (tuple(content(words(digits(text)))) for text in texts)
    return [phrase for phrase in phrases if phrase]
