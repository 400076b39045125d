"""Rules about options: the gold letter as an answer, and elimination of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ffr.teacher.leakage.gold import Gold
from ffr.teacher.leakage.text import contains, content, sentences, words

__all__ = [
    "NEGATION",
    "leaves_out",
    "names_gold_letter",
    "ruled_out",
    "says_the_other",
    "tells_order",
]

_ORDINAL_WORDS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_ORDINALS = tuple(_ORDINAL_WORDS.split())
NEGATION = re.compile(
    r"\b(?:not|never|no|neither|nor|cannot|wrong|incorrect|false|exclud(?:e[sd]?|ing)"
    r"|eliminat(?:e[sd]?|ing)|rul(?:e[sd]?|ing) out|discard(?:ed)?|reject(?:ed)?|ignore|except"
    r"|rather than|instead of|other than|unlike|impossible|absent|without|nothing|nobody|none"
    r"|cross(?:ed)? out|strike|drops? out|contradicts?|mistaken|unlikely|too (?:many|few|much))\b"
    r"|n't\b",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:options?|answers?|choices?|letters?|candidates?|alternatives?|opcion|respuesta|reponse"
    r"|antwort|losung|opzione|risposta|opcao|resposta|antwoord|\u043e\u0442\u0432\u0435\u0442"
    r"|\u0432\u0430\u0440\u0438\u0430\u043d\u0442|选项|答案|選択肢|正解)"
)
_LIST = re.compile(rf"(?i:{_NOUN}) ((?:[A-Z] ?(?:, ?and|,|and|or|/|&) ?){{1,25}}[A-Z])(?!\w)")
_BARE_LIST = re.compile(r"(?<![\w'.-])((?:[A-Z] ?(?:, ?and|,|and|or|/|&) ?){1,25}[A-Z])(?![\w'-])")
_OTHER = re.compile(
    rf"\bthe (?:other|remaining|opposite|alternative) (?:{_NOUN}|one|way|side|direction)\b"
    r"|\b(?:the|an) opposite\b|\bopposite way\b|\bthe (?:reverse|contrary)\b"
    r"|\bmix(?:ed|ing)? up\b|\bwrong (?:side|way|direction)\b|\bthe other way (?:a?round)?",
    re.IGNORECASE,
)
_EDGE, _END = r"(?<![A-Za-z0-9'.-])", r"(?![A-Za-z0-9'-])"
_BETWEEN = re.compile(rf"\bbetween (?:{_NOUN} )?([A-Z]) and ([A-Z]){_END}")
_NEXT_TO = re.compile(rf"\b(after|following|before|preceding) (?:{_NOUN} )?([A-Z]){_END}")
_PAIR = re.compile(r"\bthe (former|latter|first|second)\b",
                   re.IGNORECASE)  # fmt: skip
_SEQUENCE = re.compile(
    r"\b(?:before|first|then|next|last|finally|earlier|later|afterwards|followed by)\b",
    re.IGNORECASE,
)
_LISTED = re.compile(rf"\b(?:{_NOUN}|listed|list)\b", re.IGNORECASE)


def names_gold_letter(text: str, numeric: str, gold: Gold, standalone_ok: bool) -> bool:
    """Whether ``text`` points at the gold option by its letter or its place in the list.

    Args:
        text: cleaned text of one field, case kept.
        numeric: the same with number words as digits.
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
        rf"(?i:{_NOUN} ?(?:is|are|=|:|-|should be|must be|would be)?)"
        rf" ?[\"'(\[]{{0,3}}{letter}{_END}"
        rf"|(?i:{_NOUN}) ?(?:is|=|:|-)? ?[\"'(\[]{{0,3}}{low} ?(?:[)\].,;\"']|$)"
        rf"|[\[(\"'] ?[{letter}{low}] ?[)\]\"']|(?:^|\s){low}\)(?!\w)"
        rf"|^\W{{0,20}}{letter}\W{{0,20}}$|^\s*{low}\W{{0,20}}$"
        rf"|(?i:\b(?:choose|select|pick|mark|except|but|for|prefers?|supports?|favou?rs?|towards?"
        rf"|with|it's|it is|must be|should be|say|says|take)) [\"'(\[]{{0,3}}{letter}{_END}"
        rf"(?! [a-z])"
        rf"|(?i:\b(?:choose|select|pick|mark|answer)) [\"'(\[]{{0,3}}{low}[\"')\]]{{0,3}}"
        rf" ?(?:[.,;!]|$)"
        rf"|(?:^|[\s\"'(\[]){letter} ?[.):](?=\s|$)"
        rf"|{_EDGE}{letter} (?:is|looks|seems) (?:the )?(?:right|correct|best|true|answer|closest)"
        rf"|{_EDGE}{letter} (?:yes|true|correct|right|fits|matches)\b"
    )
    if re.search(explicit, text):
        return True
    if (
        letter not in "AI"
        and not standalone_ok
        and re.search(rf"{_EDGE}{letter}{_END}", text)
    ):
        return True
    return _names_neighbours(text, gold) or _names_place(numeric, gold)


def _names_neighbours(text: str, gold: Gold) -> bool:
    """Forms like "the letter between A and C" and "the one after A"."""
    assert gold.letter is not None
    at = gold.letters.index(gold.letter)

    def place(letter: str) -> int:
        return ord(letter) - ord("A")

    if any(place(b) - place(a) == 2 and place(a) + 1 == at for a, b in _BETWEEN.findall(text)):
        return True
    return any(
        place(letter) + (1 if word in ("after", "following") else -1) == at
        for word, letter in _NEXT_TO.findall(text)
    )


def _names_place(text: str, gold: Gold) -> bool:
    """Forms like "the second option", "option 2", "the last choice"."""
    assert gold.letter is not None
    position = gold.letters.index(gold.letter)
    ordinal = _ORDINALS[position] if position < len(_ORDINALS) else "(?!)"
    suffix = {0: "st", 1: "nd", 2: "rd"}.get(position, "th")
    last = "|last|final" if position == len(gold.letters) - 1 else ""
    pattern = (
        rf"\b(?:{ordinal}|{position + 1}{suffix}{last}) (?:listed )?{_NOUN}\b"
        rf"|\b(?:{ordinal}|{position + 1}{suffix}{last}) (?:one )?(?:of|in|from) the"
        r" (?:\w{1,12} )?(?:list|listed|given|offered)\b"
        rf"|\b{_NOUN} ?(?:#|no\.?|number)? ?{position + 1}(?!\w|[.,]\d)"
    )
    if re.search(pattern, text, re.IGNORECASE):
        return True
    one = rf"\bthe (?:{ordinal}|{position + 1}{suffix}{last}) one\b"
    for sentence in sentences(text):
        if not _LISTED.search(sentence):
            continue
        if re.search(one, sentence, re.IGNORECASE):
            return True
        if len(gold.letters) == 2 and (pair := _PAIR.search(sentence)):
            return (pair.group(1).lower() in ("former", "first")) == (position == 0)
    return False


def ruled_out(text: str, gold: Gold) -> set[str]:
    """Letters of the wrong options that a sentence of ``text`` names as wrong."""
    found: set[str] = set()
    for sentence in sentences(text):
        if not NEGATION.search(sentence):
            continue
        tokens = content(words(sentence))
        for letter, phrase in gold.others.items():
            named = re.search(rf"{_EDGE}{letter}{_END}", sentence) if letter else None
            if letter in "AI" and named:
                named = re.search(
                    rf"(?i:{_NOUN}[^.]{{0,60}})\b{letter}\b|[(\[\"']{letter}[)\]\"']|\b{letter}\s*[,)]"
                    rf"|\b{letter} (?:and|or|nor)\b",
                    sentence,
                )
            if named or (phrase and contains(tokens, phrase)) or _alludes(tokens, letter, gold):
                found.add(letter)
    return found


def _alludes(tokens: Sequence[str], letter: str, gold: Gold) -> bool:
    """At least a third of the words that only this option has are among ``tokens``."""
    elsewhere = {t for k, other in gold.others.items() if k != letter for t in other}
    own = set(gold.others[letter]) - elsewhere - set(gold.phrase) - gold.asked
    return bool(own) and 3 * len(own.intersection(tokens)) >= len(own)


def leaves_out(fields: Sequence[tuple[str, Sequence[str]]], gold: Gold) -> bool:
    """Whether all wrong options are spoken of, by text or letter, and the right one is not.

    Args:
        fields: scrubbed text and its content stems, one for each text of the patch.
        gold: nothing is found with fewer than two wrong options.
    """
    if len(gold.others) < 2:
        return False
    letters = {
        letter
        for text, _ in fields
        for run in _BARE_LIST.findall(text)
        for letter in re.findall(r"[A-Z]", run)
    }
    if letters == set(gold.others):
        return True
    used = {token for _, tokens in fields for token in tokens}
    telling = set(gold.weights)
    if telling & used:
        return False
    return all(
        any(contains(tokens, phrase) or _alludes(tokens, key, gold) for _, tokens in fields)
        for key, phrase in gold.others.items()
    )


def tells_order(fields: Sequence[tuple[str, Sequence[str]]], gold: Gold) -> bool:
    """Where options are the same steps in different orders: whether the right order is told.

    By their first mention, all steps must come in the right order, or two of them where the text
    speaks of an order.

    Args:
        fields: scrubbed text and its content stems, one for each text of the patch.
        gold: with ``steps``.
    """
    steps = gold.steps
    told = list(dict.fromkeys(steps[t] for _, tokens in fields for t in tokens if t in steps))
    if len(told) < 2 or told != sorted(told):
        return False
    return len(told) == len(set(steps.values())) or any(_SEQUENCE.search(t) for t, _ in fields)


def says_the_other(text: str, gold: Gold) -> bool:
    """With two options, pointing at "the other one" gives the answer away."""
    return len(gold.others) == 1 and _OTHER.search(text) is not None
