"""Format reward of RLER: think, answer, keyframes, optional confidence, and nothing else.

Whether a cited number exists is not part of the format (spec rler §3.3).
"""

from __future__ import annotations

import re

from ffr.config.rler import EvidenceConfig
from student.parse import parse_response

__all__ = ["rler_format"]

_REQUIRED = ("think", "answer", "keyframes")
_BLOCKS = re.compile(
    r"\s*<think>(.+?)</think>\s*<answer>(.+?)</answer>\s*<keyframes>(.+?)</keyframes>"
    r"(?:\s*<confidence>.*?</confidence>)?\s*",
    re.DOTALL,
)
_TAG = re.compile(r"</?(think|answer|keyframes|confidence)>")
_CONFIDENCE_END = re.compile(r"\s*<confidence>[^<]*</confidence>\s*\Z")


def rler_format(text: str, config: EvidenceConfig) -> float:
    """1.0 or 0.0.

    With ``citation: frames`` the paper's template; in default mode a stray tag of any of the four
    kinds fails too (errata ruling 7). With ``citation: times`` this project's template: think
    block with at least one readable time in ``<keyframes>`` tags, answer block, optional
    confidence.
    """
    if config.citation == "times":
        return _times_format(text)
    if any(text.count(f"<{t}>") != 1 or text.count(f"</{t}>") != 1 for t in _REQUIRED):
        return 0.0
    if text.count("<confidence>") > 1:
        return 0.0
    match = _BLOCKS.fullmatch(text)
    if match is None or not (match[1].strip() and match[2].strip() and re.search(r"\d", match[3])):
        return 0.0
    names = _TAG.findall(text)
    stray = names not in ([*_PAIRS], [*_PAIRS, "confidence", "confidence"])
    return 0.0 if stray and config.mode == "default" else 1.0


_PAIRS = tuple(name for name in _REQUIRED for _ in range(2))


def _times_format(text: str) -> float:
    parsed = parse_response(_CONFIDENCE_END.sub("", text))
    return float(parsed.well_formed and bool(parsed.think) and bool(parsed.keyframes_s))
