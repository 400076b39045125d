"""Read a response as RLER does: answer, citations, reasoning, confidence, format.

``student.parse`` stays the one parser: it decides what the answer and the reasoning are.  What
RLER adds (the block of frame numbers, the confidence) is read here, for both sides alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ffr.config.rler import EvidenceConfig
from rewards.rler.citations import Citations, CitationScale, cited_frames, cited_times
from rewards.rler.confidence import parse_confidence
from rewards.rler.format import rler_format
from student.parse import ParsedResponse, parse_response

__all__ = ["RlerReading", "read_response"]

_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_KEYFRAMES = re.compile(r"<keyframes>(.*?)</keyframes>", re.DOTALL)
_MAX_CHARS = 200_000


@dataclass(frozen=True)
class RlerReading:
    """What a response says.

    Attributes:
        answer: the raw answer text; ``None`` when there is none to be read.
        think: the reasoning, ``""`` when unreadable.
        citations: what it cites.
        confidence: what it reports about itself in [0, 1]; ``None`` when it does not.
        format: 1.0 or 0.0.
        problems: names of what is wrong, as ``student.parse`` gives them; counters use them.
    """

    answer: str | None
    think: str
    citations: Citations
    confidence: float | None
    format: float
    problems: tuple[str, ...] = ()


def read_response(text: str, scale: CitationScale, config: EvidenceConfig) -> RlerReading:
    """Read a response; never raises, whatever the text is.

    In default mode (errata ruling 1) the answer is that of the one parser. In parity mode the
    think block is the first complete one and the answer the first complete block behind its
    removal. More than 200,000 characters are not read at all.
    """
    parsed = parse_response(text)
    if len(text) > _MAX_CHARS:
        return RlerReading(None, "", Citations(), None, 0.0, parsed.problems)
    if config.mode == "parity":
        answer, think = _first_tags(text)
    else:
        answer, think = parsed.answer, parsed.think or ""
    return RlerReading(
        answer=answer,
        think=think,
        citations=_citations(text, parsed, scale, config),
        confidence=parse_confidence(text),
        format=rler_format(text, config),
        problems=_own_problems(parsed, config),
    )


def _first_tags(text: str) -> tuple[str | None, str]:
    think = _THINK.search(text)
    rest = text if think is None else text[: think.start()] + text[think.end() :]
    answer = _ANSWER.search(rest)
    said = answer.group(1).strip() if answer else ""
    return said or None, think.group(1).strip() if think else ""


def _citations(
    text: str, parsed: ParsedResponse, scale: CitationScale, config: EvidenceConfig
) -> Citations:
    if config.citation == "times":
        blocks = _KEYFRAMES.findall(parsed.think or "")
        entries = [e for block in blocks for e in re.split(r"[,;\n]", block) if e.strip()]
        unreadable = len(entries) - len(parsed.keyframes_s)
        return cited_times(parsed.keyframes_s, scale, config.max_cited, unreadable=unreadable)
    block = _KEYFRAMES.search(_THINK.sub("", text, count=1))
    return cited_frames(block.group(1) if block else "", scale, config.max_cited)


def _own_problems(parsed: ParsedResponse, config: EvidenceConfig) -> tuple[str, ...]:
    """Without what the frame template has by design: a block behind the answer."""
    if config.citation == "times":
        return parsed.problems
    expected = ("text_outside", "keyframes_outside_think")
    return tuple(p for p in parsed.problems if p not in expected)
