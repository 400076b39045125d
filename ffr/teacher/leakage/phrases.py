"""Rules about wording: phrases that hand out an answer, and hints at its spelling."""

from __future__ import annotations

import re

__all__ = ["gives_answer", "hints_spelling"]

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
_COUNTED_LETTERS = re.compile(r"\b(?:\d+|\w+)[- ]letters? word\b", re.IGNORECASE)


def gives_answer(text: str) -> bool:
    """Whether a phrase announces or prescribes an answer (spec ffr §2.6 b)."""
    return _GIVES.search(text) is not None


def hints_spelling(text: str, gold_text: str) -> bool:
    """Whether ``text`` describes how the gold answer is spelled."""
    gold = gold_text.casefold()
    for pattern, matches in ((_STARTS, gold.startswith), (_ENDS, gold.endswith)):
        for found in pattern.finditer(text):
            piece = (found.group(1) or found.group(2)).casefold()
            if matches(piece):
                return True
    return _RHYME.search(text) is not None or _COUNTED_LETTERS.search(text) is not None
