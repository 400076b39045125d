"""Rules about wording: phrases that hand out an answer, and hints at its spelling."""

from __future__ import annotations

import re

from ffr.teacher.leakage.number_words import ordinal_value

__all__ = ["gives_answer", "hints_spelling", "names_part"]

_KIND = r"(?:answer|option|choice|response|solution|reply)"
# "The answer is visible near the end" points; "the answer is a cup" tells.
_POINTING = (
    r"(?:not |only |also |clearly |best |easily |directly |likely )*(?:visible|shown|seen|found|in"
    r"|at|within|near|during|hidden|clear|evident|there|determined|revealed|before|after|available"
    r"|located|between|easier|by|on|from|where|when|how|obvious|given|settled|decided|if|to)\b"
)
_GIVES = re.compile(
    rf"\b(?:the|its|your) (?:(?:correct|right|true|real|actual|final|expected) )?{_KIND} "
    rf"(?:is|was|should be|must be|would be|has to be|equals) (?!{_POINTING})"
    rf"|\b(?:correct|right|true|real|actual|gold|reference|expected) {_KIND}\s*[:=]"
    rf"|\b(?:correct|right) {_KIND} (?:is|should be|must be|would be)\b"
    rf"|(?:^|[.;\n(\"'] ?){_KIND}\s*[:=]\s*\S"
    r"|\byou should (?:have )?(?:answer|answered|choose|chosen|select|selected|pick|picked)\b"
    r"|\bshould (?:be answered|have been)\b"
    r"|\b(?:choose|select|pick|answer with|go with|respond with) (?:option|answer|choice|letter)\b"
    r"|\b(?:ground truth|gold (?:answer|label)|answer key|standard answer|reference answer)\b"
    r"|\bis (?:the )?correct(?: one| answer| option)?\b(?! order| frame| region| moment| time)"
    r"|\b(?:must|should|to) answer (?:is|with|that|by)\b|\banswer (?:that|exactly|precisely)\b"
    r"|\b(?:gold|correct|true) (?:label|value|count|response)\b"
    r"|</?answer>|\\boxed",
    re.IGNORECASE,
)
_STARTS = re.compile(
    r"\b(?:starts?|begins?|starting|beginning|opens?) with (?:the )?(?:letters? |syllable )?"
    r"[\"'(]?([^\W_]+)"
    r"|\b(?:first|initial) letters? (?:is|are|being|:|=)? ?[\"'(]?([^\W_]+)",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:ends?|ending|finishes) (?:with|in) (?:the )?(?:letters? )?[\"'(]?([^\W_]+)"
    r"|\blast letters? (?:is|are|:|=)? ?[\"'(]?([^\W_]+)",
    re.IGNORECASE,
)
_RHYME = re.compile(r"\brhym(?:es?|ing)\b|\banagram\b|\bspelled\b|\bspelling\b", re.IGNORECASE)
_COUNTED_LETTERS = re.compile(r"\b\w{1,12}[- ]letters? word\b", re.IGNORECASE)
_LENGTH = re.compile(r"\b(\d{1,2})[- ](?:letters?|characters?)\b", re.IGNORECASE)
_NTH = re.compile(
    r"\b(\w{2,11}) (?:letter|character)(?: (?:is|being|reads))?:? [\"']?(\w)(?!\w)", re.IGNORECASE
)
_PIECE = re.compile(
    r"\b(?:first|last|initial|final)(?: \w{1,8})? (?:letters|characters|digits|figures)"
    r"(?: (?:is|are|being|read))?:? ?((?:[\w]{1,12}(?:[ ,.-]| and ){0,2}){1,8})",
    re.IGNORECASE,
)


def gives_answer(text: str) -> bool:
    """Whether a phrase announces or prescribes an answer (spec ffr §2.6 b)."""
    return _GIVES.search(text) is not None


def hints_spelling(text: str, numeric: str, gold_text: str) -> bool:
    """Whether ``text`` (``numeric``: number words as digits) tells how the answer is spelled."""
    gold = gold_text.casefold()
    for pattern, matches in ((_STARTS, gold.startswith), (_ENDS, gold.endswith)):
        for found in pattern.finditer(text):
            piece = (found.group(1) or found.group(2)).casefold()
            if matches(piece):
                return True
    if any(_matches_nth(word, letter, gold) for word, letter in _NTH.findall(text)):
        return True
    if any(int(n) == len(gold) for n in _LENGTH.findall(numeric)):
        return True
    return _RHYME.search(text) is not None or _COUNTED_LETTERS.search(text) is not None


def names_part(text: str, answer: str) -> bool:
    """Whether ``text`` quotes the beginning or the end of a code or number, or most of it.

    Args:
        text: cleaned, number words as digits.
        answer: cleaned; nothing is found when it has fewer than three digits.
    """
    wanted = "".join(re.findall(r"\w", answer)).casefold()
    if sum(ch.isdigit() for ch in wanted) < 3:
        return False
    least = max(2, len(wanted) // 2)
    for run in re.findall(r"\d{2,15}", text):
        if len(run) >= max(3, least) and run in wanted:
            return True
    for match in (*_PIECE.finditer(text), *_STARTS.finditer(text), *_ENDS.finditer(text)):
        piece = "".join(re.findall(r"\d", " ".join(filter(None, match.groups()))))
        if len(piece) >= least and (wanted.startswith(piece) or wanted.endswith(piece)):
            return True
    return False


def _matches_nth(word: str, letter: str, gold: str) -> bool:
    at = -1 if word.lower() in ("last", "final") else (ordinal_value(word) or 0) - 1
    return (at == -1 and ordinal_value(word) is None and word.lower() in ("last", "final")
            and gold.endswith(letter.casefold())) or (
        0 <= at < len(gold) and gold[at] == letter.casefold()
    )
