"""From a benchmark's prompt to a question: stem, options, and what must not stay.

lmms-eval hands over one text with everything in it, in each benchmark's own layout. Our students
are asked in their own words (``student.prompt``), so options are told from the stem, and wording
about the form of the answer is taken out, as it would contradict theirs. All else stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["TaskText", "read_task_text"]

_MOST_OPTIONS = 26
_LETTERED = re.compile(r"\s*(?:\((?P<a>[A-Z])\)\s*|(?P<b>[A-Z])(?:[):]\s*|\.\s+))(?P<text>\S.*)")
_NAMED = re.compile(
    r"\s*(?P<label>(?:option|sentence|caption|choice|description) (?P<ordinal>[A-Z]|\d{1,2}))"
    r"\s*[:.)]\s*(?P<text>\S.*)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\s*(?:options?|choices|candidates)\s*:?\s*", re.IGNORECASE)
_PREFIX = re.compile(r"\s*question\s*:\s*", re.IGNORECASE)
_INSTRUCTIONS = re.compile(
    "|".join(
        (
            # MVBench, TempCompass, MLVU
            r"(?:only |please directly )?give the best option[.:]?",
            r"best option:\s*\(?",
            # VSI-Bench, LongVideoBench, VideoMME, LVBench
            r"answer with the option'?s? letter(?: only| from the given choices(?: directly)?)?\.?",
            r"answer the question with the option letter\.?",
            r"(?:please )?answer the question using a single word or phrase\.?",
            # VideoMME, Video-Holmes
            r"select the best answer to the following multiple-choice question based on the "
            r"video(?: and the subtitles)?\.?",
            r"respond with only the letter \([^()]{1,60}\) of the correct option\.?",
            r"the best answer is:?",
            # MMVU
            r"visual information: processed video",
            r"do not generate any intermediate reasoning process\.?",
            r"answer directly with the option letter from the given choices\.?",
            r"directly output the final answer\.?",
        )
    ).replace(" ", r"\s+"),
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TaskText:
    """A prompt taken apart.

    Attributes:
        question: the stem, with all that is neither option nor wording about the answer's form.
        options: their texts; empty for open questions.
        labels: of the options, as the benchmark writes and expects them: ``A``, ``Option 1``.
        removed: wording that was taken out.
    """

    question: str
    options: tuple[str, ...]
    labels: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class _Block:
    first: int
    end: int
    labels: tuple[str, ...]
    options: tuple[str, ...]


def read_task_text(text: str) -> TaskText:
    """Take a prompt apart; a text without two options in order is an open question.

    Options are lines ``A. ...``, ``(A) ...``, ``A) ...``, ``A: ...`` or ``Option 1: ...`` (also
    Sentence, Caption, Choice, Description), counted from the first; of several such lists the last
    is taken. Lines between two options belong to the one before.
    """
    lines = text.split("\n")
    block = _last_block(lines)
    removed: list[str] = []
    head = lines if block is None else lines[: block.first]
    tail = [] if block is None else lines[block.end :]
    if block is not None and head and _HEADING.fullmatch(head[-1]):
        head = head[:-1]
    stem = _PREFIX.sub("", _without_instructions("\n".join(head), removed), count=1).strip()
    rest = _without_instructions("\n".join(tail), removed).strip()
    question = "\n".join(part for part in (stem, rest) if part)
    if not question:  # nothing but options or wording: better shown whole than not at all
        return TaskText(text.strip(), (), (), ())
    if block is None:
        return TaskText(question, (), (), tuple(removed))
    return TaskText(question, block.options, block.labels, tuple(removed))


def _last_block(lines: Sequence[str]) -> _Block | None:
    for first in range(len(lines) - 1, -1, -1):
        for begins, pattern in (("A", _LETTERED), ("A", _NAMED), ("1", _NAMED)):
            found = _label(pattern, lines[first])
            if found is not None and found[0] == begins:
                block = _block(lines, first, pattern, begins)
                if block is not None:
                    return block
    return None


def _block(
    lines: Sequence[str], first: int, pattern: re.Pattern[str], begins: str
) -> _Block | None:
    labels: list[str] = []
    starts: list[int] = []
    texts: list[str] = []
    wanted = _ordinals(begins)
    ordinal = next(wanted)
    for number in range(first, len(lines)):
        found = _label(pattern, lines[number])
        if found is not None and found[0] == ordinal:
            labels.append(found[1])
            texts.append(found[2])
            starts.append(number)
            ordinal = next(wanted, "")
    if not 2 <= len(labels) <= _MOST_OPTIONS:
        return None
    # What follows the last label up to the end is not known to belong to its option.
    for index, (start, following) in enumerate(pairwise(starts)):
        more = [line.strip() for line in lines[start + 1 : following] if line.strip()]
        texts[index] = " ".join((texts[index].strip(), *more))
    return _Block(first, starts[-1] + 1, tuple(labels), tuple(text.strip() for text in texts))


def _label(pattern: re.Pattern[str], line: str) -> tuple[str, str, str] | None:
    """Ordinal, label as written, and text of an option's line."""
    match = pattern.fullmatch(line)
    if match is None:
        return None
    if pattern is _LETTERED:
        letter = match.group("a") or match.group("b")
        return letter, letter, match.group("text")
    return match.group("ordinal").upper(), match.group("label"), match.group("text")


def _ordinals(begins: str) -> Iterator[str]:
    if begins == "A":
        return (chr(ord("A") + i) for i in range(_MOST_OPTIONS))
    return (str(i) for i in range(1, 100))


def _without_instructions(text: str, removed: list[str]) -> str:
    """The text without wording about the form of the answer, and without lines left empty by it."""
    removed += [" ".join(found.split()) for found in _INSTRUCTIONS.findall(text)]
    lines = _INSTRUCTIONS.sub("\0", text).split("\n")
    return "\n".join(
        line.replace("\0", "").strip() if "\0" in line else line
        for line in lines
        if line.replace("\0", "").strip() or "\0" not in line
    )
