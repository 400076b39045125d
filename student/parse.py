"""The one parser of student responses: reward, metrics and evaluation all read through it.

Rule (errata ruling 1): the answer is the content of the single ``<answer>`` block after the
single ``<think>`` block.  Anything else is malformed: it is flagged, and there is no answer.
Text outside the two blocks is malformed too, but leaves the answer readable, so that accuracy
and format can be scored apart.  A response is hostile text: no input makes these functions raise.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ffr.data.question import option_letters

__all__ = [
    "ParsedResponse", "Unit", "parse_choice", "parse_direct", "parse_number", "parse_response",
]  # fmt: skip

Unit = Literal["", "%"]

_MAX_CHARS = 200_000
_TAG = re.compile(r"</?(?:think|answer)>")
_STRUCTURE = ("<think>", "</think>", "<answer>", "</answer>")
_KEYFRAMES = re.compile(r"<keyframes>(.*?)</keyframes>", re.DOTALL)
_TIME = re.compile(
    r"(?:(?P<h>\d{1,3}):)?(?P<m>\d{1,3}):(?P<s>\d{1,2}(?:\.\d{1,9})?)"
    r"|(?P<x>\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})\s*(?:s|sec|secs|seconds?)?",
    re.ASCII,
)
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
    r"(?:[eE](?P<exponent>[+-]?\d{1,3}))?"
    r"\s?(?P<unit>%?)",
    re.ASCII,
)
_LETTER = re.compile(r"(?:option\s+)?[(\[]?([a-z])[)\]]?[.:]?", re.IGNORECASE)
_LETTER_TEXT = re.compile(
    r"(?:option\s+)?(?:[(\[]([a-z])[)\]]|([a-z])[).:])\s*(\S.*)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class ParsedResponse:
    """What a response says.

    Attributes:
        think: content of the think block, stripped; ``None`` when there is not exactly one.
        answer: content of the answer block, stripped and not empty; ``None`` when malformed.
        keyframes_s: cited times in seconds, in the order cited, from ``<keyframes>`` tags inside
            the think block; unreadable entries are left out and named in ``problems``.
        well_formed: the response is a think block and an answer block and nothing else.
        problems: names of what is wrong, in a fixed order; counters use them.
    """

    think: str | None
    answer: str | None
    keyframes_s: tuple[float, ...]
    well_formed: bool
    problems: tuple[str, ...]


def parse_response(text: str) -> ParsedResponse:
    """Read a response; never raises, and reads at most 200,000 characters.

    Problems of structure: ``too_long``, ``missing_think``, ``missing_answer``,
    ``repeated_think``, ``repeated_answer``, ``unbalanced_tags``, ``wrong_order``,
    ``empty_answer``, ``text_outside``.  Problems that leave the response well formed:
    ``unreadable_keyframes``, ``keyframes_outside_think``.
    """
    if len(text) > _MAX_CHARS:
        return ParsedResponse(None, None, (), False, ("too_long",))
    problems = _tag_problems(text)
    if problems:
        return ParsedResponse(None, None, (), False, problems)
    before, rest = text.split("<think>", 1)
    think, rest = rest.split("</think>", 1)
    between, rest = rest.split("<answer>", 1)
    raw_answer, after = rest.split("</answer>", 1)
    answer = raw_answer.strip()
    structure: list[str] = []
    if not answer:
        structure.append("empty_answer")
    if any(part.strip() for part in (before, between, after)):
        structure.append("text_outside")
    times, notes = _keyframes(think)
    if "<keyframes>" in before + between + raw_answer + after:
        notes.append("keyframes_outside_think")
    return ParsedResponse(
        think=think.strip(),
        answer=answer or None,
        keyframes_s=times,
        well_formed=not structure,
        problems=(*structure, *notes),
    )


def parse_direct(text: str) -> ParsedResponse:
    """Read a response that was asked for without reasoning; never raises.

    The answer is the content of the single ``<answer>`` block, an empty think block before it
    allowed (some chat templates write one). A response without any tag is its own answer, and
    flagged ``untagged``; reasoning in a think block is read as usual and flagged ``reasoned``.
    """
    if len(text) > _MAX_CHARS:
        return ParsedResponse(None, None, (), False, ("too_long",))
    if not _TAG.search(text):
        answer = text.strip()
        problem = "untagged" if answer else "empty_answer"
        return ParsedResponse(None, answer or None, (), False, (problem,))
    if "think>" in text:
        parsed = parse_response(text)
        if not parsed.think:
            return parsed
        return replace(parsed, well_formed=False, problems=(*parsed.problems, "reasoned"))
    return parse_response(f"<think></think>{text}")


def parse_choice(answer: str, options: Sequence[str]) -> str | None:
    """The option letter an answer means, or ``None`` (errata ruling 3).

    ``B``, ``b``, ``(B)``, ``B.``, ``**B**``, ``Option B``, ``B) text`` and the exact option text
    are B.  A lone letter is the letter even where some option's text is that letter; a text that
    two options share means neither; a letter whose text is another option's means neither.  A
    letter beyond the options, or a text that merely begins with one (``A cat``), means none.
    """
    letters = option_letters(len(options))
    text = _plain(answer.replace("**", ""))
    match = _LETTER.fullmatch(text)
    if match and match.group(1).upper() in letters:
        return match.group(1).upper()
    folded = {letter: _fold(option) for letter, option in zip(letters, options, strict=True)}
    same = [letter for letter in letters if _fold(text) and folded[letter] == _fold(text)]
    if same:
        return same[0] if len(same) == 1 else None
    match = _LETTER_TEXT.fullmatch(text)
    if not match:
        return None
    letter = (match.group(1) or match.group(2)).upper()
    rest = _fold(match.group(3))
    if letter not in letters or (rest != folded[letter] and rest in folded.values()):
        return None
    return letter


def parse_number(text: str) -> tuple[float, Unit] | None:
    """The number ``text`` consists of, with its unit, or ``None`` (errata ruling 4).

    Grammar: optional sign (the Unicode minus too), digits with optional thousands commas in
    groups of three, optional decimal point, optional exponent, optional per cent sign.  The
    whole text must be the number; NaN, infinity and overflow are ``None``.  Per cent is kept as
    a unit, the value is not divided.
    """
    match = _NUMBER.fullmatch(_plain(text).removesuffix(".").replace("\u2212", "-"))
    if not match:
        return None
    digits = match.group("value").replace(",", "")
    value = float(f"{match.group('sign')}{digits}e{match.group('exponent') or 0}")
    if not math.isfinite(value):
        return None
    return value + 0.0, "%" if match.group("unit") else ""


def _tag_problems(text: str) -> tuple[str, ...]:
    counts = {tag: text.count(tag) for tag in _STRUCTURE}
    problems: list[str] = []
    for name in ("think", "answer"):
        opened, closed = counts[f"<{name}>"], counts[f"</{name}>"]
        if opened == 0 and closed == 0:
            problems.append(f"missing_{name}")
        elif max(opened, closed) > 1:
            problems.append(f"repeated_{name}")
        elif opened != closed:
            problems.append("unbalanced_tags")
    if not problems and tuple(_TAG.findall(text)) != _STRUCTURE:
        problems.append("wrong_order")
    return tuple(dict.fromkeys(problems))


def _keyframes(think: str) -> tuple[tuple[float, ...], list[str]]:
    times: list[float] = []
    unreadable = think.count("<keyframes>") != think.count("</keyframes>")
    for block in _KEYFRAMES.findall(think):
        for entry in re.split(r"[,;\n]", block):
            if not entry.strip():
                continue
            match = _TIME.fullmatch(entry.strip())
            if match is None:
                unreadable = True
            else:
                times.append(_seconds(match))
    return tuple(times), ["unreadable_keyframes"] if unreadable else []


def _seconds(match: re.Match[str]) -> float:
    if match.group("x") is not None:
        return float(match.group("x"))
    hours = int(match.group("h") or 0)
    return 3600.0 * hours + 60.0 * int(match.group("m")) + float(match.group("s"))


def _plain(text: str) -> str:
    """Without surrounding white space and Markdown emphasis."""
    return unicodedata.normalize("NFKC", text).strip().strip("*_`").strip()


def _fold(text: str) -> str:
    """For comparing option texts: case, spacing and a final full stop do not count."""
    return " ".join(_plain(text).casefold().split()).rstrip(string.whitespace + ".")

