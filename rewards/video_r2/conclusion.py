"""What a reasoning concludes, by rules: the last explicit conclusion, else a plain last sentence.

Used by the consistency gate and by TAC (spec video_r2 §3.4, §6.4).  The rules prefer silence to a
guess: hedged, negated, conditional and ambiguous statements conclude nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ffr.data.question import AskedQuestion, option_letters
from rewards.video_r2.clauses import compress_clause, sentence_spans
from rewards.video_r2.timestamps import extract_times
from student.parse import parse_choice, parse_number

__all__ = ["rules_conclusion"]

_MAX_CHARS = 200_000
_TAIL = 4_000
_IS = r"(?:\s+(?:is|must\s+be|should\s+be|would\s+be|has\s+to\s+be)|\s*[:=→]|['’]s)"
_STATED = re.compile(
    rf"""
    \b(?:answer|option|choice|conclusion){_IS}\s*:?\s*(?:(?:therefore|clearly|thus|then|indeed),?\s+)?
        (?=(?P<stated>[^\n;]{{1,200}}))
  | \bI(?:['’]ll|\s+(?:will|would))?\s+(?:choose|pick|select|go\s+with|answer|conclude)\b:?
        \s+(?=(?P<chosen>[^\n;]{{1,200}}))
  | \\boxed\{{(?P<boxed>[^{{}}]{{1,100}})\}}
  | \b(?:[Oo]ption|[Cc]hoice)?\s*(?P<labelled>(?-i:\([A-Z]\)|[A-Z]))\s+is\s+
        (?:(?:clearly|therefore|thus)\s+)?(?:the\s+)?
        (?:correct|right|best|only|most\s+likely|final|answer)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_THUS = re.compile(
    r"(?=\w)(?:(?:so|thus|therefore|hence)\b,?\s*)?"
    r"(?:(?:it|that|this)(?:['’]s|\s+(?:is|must\s+be))\s+)?(.+)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(
    r"(?:\b(?:if|whether|unless|suppose|assuming|not\s+(?:true|think|believe))|"
    r"n['’]t\s+(?:true|think|believe))\b[^.!?\n]*\Z",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|without|unlike|rather\s+than|instead\s+of|rules?\s+out|"
    r"ruled\s+out|eliminated?|wrong|incorrect|or)\b|n['’]t\b",
    re.IGNORECASE,
)
_LEADING_NOT = re.compile(r"(?:not|never|neither|no\s+longer|clearly\s+not)\b", re.IGNORECASE)
_EITHER = re.compile(r"\b(?:or|either)\b|\w/\w", re.IGNORECASE)
_BECAUSE = re.compile(r"\b(?:because|since|as|which|given|due\s+to|for)\b", re.IGNORECASE)
_END = re.compile(r"(?<=[a-z0-9)%*])[.!](?=\s|$)")
_REASON = re.compile(r"\s*(?:[,–—]|\b(?:because|since|as|which|given|due\s+to|for)\b)", re.I)
_LEADING_LETTER = re.compile(r"(?i:option\s+|choice\s+)?[(\[*\"]*([A-Z])(?![\w'’])[)\]*\"]*[.:,]?")
_NUMBER = re.compile(r"(?<![\w.,])[-+−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)\s?%?(?![\w])", re.ASCII)
_NUMBERED = re.compile(
    r"\b(?:frames?|steps?|options?|questions?|images?|clips?|scenes?|parts?)\s*#?\s*\d+",
    re.IGNORECASE,
)
_SHORT = 6


def rules_conclusion(think: str | None, question: AskedQuestion) -> str | None:
    """What ``think`` concludes, in the form of an answer; ``None`` when the rules cannot tell.

    Args:
        think: content of the think block, untrusted.
        question: as the student saw it; its type decides what is looked for.

    Returns:
        A letter for ``choice``, a number as text, or a text.
    """
    if think is None or not think.strip() or len(think) > _MAX_CHARS:
        return None
    text = unicodedata.normalize("NFKC", think[-_TAIL:])
    for match in reversed(list(_STATED.finditer(text))):
        if _CONDITION.search(text[max(0, match.start() - 200) : match.start()]):
            continue
        phrase = next(group for group in match.groups() if group is not None).strip()
        if _is_question(phrase) or _LEADING_NOT.match(phrase):
            continue
        if match["labelled"] is None and match["boxed"] is None:
            phrase = _END.split(phrase, maxsplit=1)[0].strip()
        read = _phrase(phrase, question)
        if read is not None:
            return read or None
    return _last_sentence(text, question)


def _phrase(phrase: str, question: AskedQuestion) -> str | None:
    """A conclusion, "" when the phrase is ambiguous, ``None`` when it states none."""
    match question.answer_type:
        case "choice":
            return _letter(phrase, question.options)
        case "number" | "regression":
            found = _numbers(phrase)
            return found[0] if found and len(set(found)) == 1 else ("" if found else None)
        case _:
            plain = _REASON.split(phrase, maxsplit=1)[0].strip(" .\"'“”*`")
            return plain or None


def _letter(phrase: str, options: Sequence[str]) -> str | None:
    whole = parse_choice(phrase, options)
    if whole is not None:
        return whole
    if _EITHER.search(_BECAUSE.split(phrase, maxsplit=1)[0]):
        return ""
    head = parse_choice(_REASON.split(phrase, maxsplit=1)[0], options)
    if head is not None:
        return head
    letters = option_letters(len(options))
    match = _LEADING_LETTER.match(phrase)
    if match and match.group(1) in letters:
        rest = phrase[match.end() :]
        bare = match.end() == match.end(1)
        # "A" and "I" are words too: a bare one needs an end or a reason behind it.
        if not bare or match.group(1) not in "AI" or not rest.strip() or _REASON.match(rest):
            return match.group(1)
    return _named_option(phrase, options)


def _named_option(text: str, options: Sequence[str]) -> str | None:
    """The one option whose text stands in a sentence that denies nothing; "" when several do."""
    folded = f" {_fold(text)} "
    found: list[str] = []
    for letter, option in sorted(
        zip(option_letters(len(options)), options, strict=True), key=lambda pair: -len(pair[1])
    ):
        words = f" {_fold(option)} "
        if words.strip() and words in folded:
            found.append(letter)
            folded = folded.replace(words, " | ")  # a shorter option inside a longer one
    if not found:
        return None
    return found[0] if len(found) == 1 and not _NOT.search(text) else ""


def _last_sentence(text: str, question: AskedQuestion) -> str | None:
    sentences = [text[a:b].strip() for a, b in sentence_spans(text) if text[a:b].strip()]
    if not sentences or _is_question(sentences[-1]):
        return None
    last = sentences[-1]
    thus = _THUS.fullmatch(last)
    plain = thus.group(1) if thus else last
    bare = parse_choice(plain, question.options) if question.options else None
    if bare is not None:
        return bare
    if _NOT.search(last):
        return None
    match question.answer_type:
        case "choice":
            return _named_option(last, question.options) or None
        case "number" | "regression":
            numbers = set(_numbers(last))
            return numbers.pop() if len(numbers) == 1 else None
        case _:
            # "Let me answer now." concludes nothing: only a reasoning of one short phrase does.
            said = compress_clause(_without_times(plain), _SHORT + 1)
            return said if len(sentences) == 1 and 0 < len(said.split()) <= _SHORT else None


def _numbers(text: str) -> list[str]:
    """The numbers of a text that are no times, as written."""
    counted = _NUMBERED.sub(" ", _without_times(text))
    found = (match.strip().rstrip(",") for match in _NUMBER.findall(counted))
    return [number for number in found if parse_number(number) is not None]


def _without_times(text: str) -> str:
    for mention in reversed(extract_times(text).mentions):
        begin, end = mention.char_span
        text = f"{text[:begin]} {text[end:]}"
    return text


def _is_question(text: str) -> bool:
    return text.rstrip().endswith("?")


def _fold(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
