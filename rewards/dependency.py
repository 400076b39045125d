"""Dependency alignment: does the rationale rest on the evidence that was cited to it?

The paper's abstract promises a reward for rationales that reflect the cited evidence; neither
its formula nor the official code has one. This term is ours (spec ffr §5, "Dependency
alignment"): the share of cited times the rationale speaks of, less a penalty for copying the
guidance word for word, and scaled down when the rationale lists times by the dozen (naming
every time would otherwise always hit). It enters the reward with weight ``reward.lambda_dep``,
default 0, for right repaired answers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ffr.patches.patch import EvidencePatch

__all__ = ["copied_share", "dependency_alignment", "evidence_times_s", "spoken_times_s"]

_NUMBER = r"\d{1,6}(?:\.\d{1,4})?"
_UNIT = r"(?:s|sec|secs|second|seconds)\b"
_CLOCK = re.compile(r"(?<![\d:])(?:(\d{1,2}):)?(\d{1,3}):([0-5]\d(?:\.\d{1,3})?)(?![\d:])")
_RANGE = re.compile(rf"(?<![\d.:])({_NUMBER})\s*(?:-|–|to|and)\s*({_NUMBER})\s*{_UNIT}", re.I)
_PLAIN = re.compile(rf"(?<![\d.:])({_NUMBER})\s*{_UNIT}", re.I)
_WORD = re.compile(r"\w+")
_COPY_LENGTH = 5
_SPOKEN_PER_CITED = 3


def evidence_times_s(patch: EvidencePatch) -> tuple[float, ...]:
    """Times a patch cites, seconds, sorted: its key times, else its frames', else its regions'."""
    times: Iterable[float] = (
        patch.key_times_s
        or tuple(frame.t_s for frame in patch.frames)
        or tuple(region.t_s for region in patch.spatial_regions)
    )
    return tuple(sorted(set(times)))


def spoken_times_s(text: str) -> tuple[float, ...]:
    """Times mentioned in free text, seconds: ``4.7 s``, ``2 to 3 seconds``, ``1:05``, ``1:02:05``.

    Both ends of a range count as mentioned.
    """
    found = [
        int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
        for hours, minutes, seconds in _CLOCK.findall(text)
    ]
    found += [float(end) for ends in _RANGE.findall(text) for end in ends]
    found += [float(value) for value in _PLAIN.findall(text)]
    return tuple(sorted(set(found)))


def copied_share(rationale: str, guidance: str) -> float:
    """Share of the guidance's five-word runs found word for word in the rationale, in [0, 1].

    A guidance shorter than five words is one run. 0.0 when it holds no word.
    """
    wanted = _runs(guidance, _COPY_LENGTH)
    if not wanted:
        return 0.0
    length = len(wanted[0])
    present = set(_runs(rationale, length))
    return sum(run in present for run in wanted) / len(wanted)


def dependency_alignment(
    rationale: str,
    keyframes_s: Sequence[float],
    patch: EvidencePatch,
    *,
    tolerance_s: float = 0.5,
) -> float | None:
    """``D = max(0, share of cited times spoken of * thrift - copied share)`` in [0, 1].

    ``thrift`` is 1 up to three spoken times per cited one, then falls as allowed / spoken.

    Args:
        rationale: the think part of the repaired answer.
        keyframes_s: times the answer declared, seconds.
        patch: the evidence the answer was given.
        tolerance_s: how far from a cited time a mention may lie, seconds.

    Returns:
        ``None`` (not available) when the patch cites no time.
    """
    cited = evidence_times_s(patch)
    if not cited:
        return None
    spoken = {*spoken_times_s(rationale), *keyframes_s}
    hits = sum(any(abs(t - s) <= tolerance_s + 1e-9 for s in spoken) for t in cited)
    thrift = min(1.0, _SPOKEN_PER_CITED * len(cited) / max(1, len(spoken)))
    return max(0.0, hits / len(cited) * thrift - copied_share(rationale, patch.guidance))


def _runs(text: str, length: int) -> list[tuple[str, ...]]:
    words = [word.casefold() for word in _WORD.findall(text)]
    if not words:
        return []
    length = min(length, len(words))
    return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]
