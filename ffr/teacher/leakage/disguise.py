"""Answers in disguise: spelled out, written backwards, in look-alike characters, glued or split."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["glued", "hides_backwards", "plain_letters", "revealed"]

_SPELLED = re.compile(r"(?<!\w)[^\W\d_]([\-._*·/ ])[^\W\d_](?:\1[^\W\d_])+(?!\w)")
_MIXED = re.compile(r"(?<!\w)(?=\w{0,30}[^\W\d_])(?=\w{0,30}\d)\w{2,30}(?!\w)|\w{1,30}[@$]\w{1,30}")
_LEET = str.maketrans("0134578@$", "oleastbas")
_LEET_I = str.maketrans("0134578@$", "oieastbas")
_TOKEN = re.compile(r"[^\W_]+")
_CONFUSABLE = str.maketrans(
    "АВСЕНІКМОРТХаеіорсухΑΒΕΗΙΚΜΝΟΡΤΧΥο", "ABCEHIKMOPTXaeiopcyxABEHIKMNOPTXYo"
)
_FOREIGN = re.compile(r"[\u0370-\u03ff\u0400-\u04ff]+")


def plain_letters(text: str) -> str:
    """Cyrillic and Greek look-alikes as Latin letters, in words and texts that are else Latin."""
    if text.isascii():
        return text
    foreign = [m.group() for m in _FOREIGN.finditer(text)]
    if any(len(run) > 3 for run in foreign):
        return text  # really written in that script
    return _FOREIGN.sub(lambda m: m.group().translate(_CONFUSABLE), text)


def revealed(text: str) -> str:
    """Further words of a cleaned text: ``r-e-d`` gives ``red``, ``r3d`` too.

    Each spelled word is also given without its first letter, which may have been an article.
    """
    found = []
    for match in _SPELLED.finditer(text):
        word = match.group()[:: 1 + len(match.group(1))]
        found += [word, word[1:]]
    for match in _MIXED.finditer(text):
        found += [match.group().translate(_LEET), match.group().translate(_LEET_I)]
    return " ".join(found)


def hides_backwards(text: str, answer: str) -> bool:
    """Whether a word of ``text`` is a word of the answer, of four letters or more, backwards."""
    reversed_words = {
        word[::-1]
        for word in _TOKEN.findall(answer.casefold())
        if len(word) >= 4 and word.isalpha() and word != word[::-1]
    }
    return bool(reversed_words.intersection(_TOKEN.findall(text.casefold())))


def glued(text: str, answer: str) -> bool:
    """Whether ``text`` holds the answer when spaces and punctuation are ignored in both.

    Only whole words of the text count (``post man`` holds ``postman``), and only answers of at
    least four characters that do not stand in the text's words by chance.
    """
    wanted = "".join(_TOKEN.findall(_fold(answer)))
    if len(wanted) < 4:
        return False
    joined, starts, position = [], set(), 0
    for token in _TOKEN.findall(_fold(text)):
        starts.add(position)
        position += len(token)
        joined.append(token)
    starts.add(position)
    whole = "".join(joined)
    at = whole.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        plural = whole[end : end + 1] == "s" and end + 1 in starts
        if at in starts and (end in starts or plural):
            return True
        at = whole.find(wanted, at + 1)
    return False


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())
