"""VAS-J: how far the reasoning *claims* visual evidence, by a text judge (spec §4.1, §4.3).

It measures words, not looking: a hallucinated detail scores as high as a seen one.  Scores are
integers from 0 to 10, reported times ten.  A failed judgement is missing and counted; a response
without reasoning scores 0 without a call.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewards.video_r2.judging import Judge, Judged
from rewards.video_r2.resampling import Estimate, Pair, macro_ratio, merged, ratio

__all__ = ["VasReport", "claimed_grounding", "macro_vas", "read_score", "released_score",
           "vas_report"]  # fmt: skip

_MOST = 10
_OBJECT = re.compile(r"\{.*?\}", re.DOTALL)


@dataclass(frozen=True)
class VasReport:
    """VAS-J of one benchmark.

    Attributes:
        vas: mean score times ten, in [0, 100].
        counts: ``n``, ``scored`` and ``missing_<problem>``.
    """

    vas: Estimate
    counts: Mapping[str, int]


async def claimed_grounding(prompt: str, think: str | None, judge: Judge) -> Judged[int]:
    """The score of one response; 0 without a call when there is no reasoning.

    Args:
        prompt: what the student was asked.
        think: content of the think block; ``None`` when malformed.
        judge: never sees the video.
    """
    if think is None or not think.strip():
        return Judged(0)
    return await judge.grounding(prompt, think)


def read_score(reply: str) -> int | None:
    """The integer ``score`` from 0 to 10 of a JSON object; ``None`` when there is none.

    The reply is that object, with or without a code fence or text around it.
    """
    start, end = reply.find("{"), reply.rfind("}")
    try:
        score = json.loads(reply[start : end + 1])["score"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return None
    return int(score) if score == int(score) and 0 <= score <= _MOST else None


def released_score(reply: str) -> int | None:
    """The score as the released code reads it: first object, rounded and clipped to 0..10."""
    match = _OBJECT.search(reply)
    try:
        value = json.loads(match.group())["score"] if match else None
        return None if value is None else max(0, min(_MOST, round(float(value))))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def vas_report(
    scores: Sequence[Judged[int]], *, clusters: Sequence[str] | None = None, seed: int = 0,
    resamples: int = 2000,
) -> VasReport:  # fmt: skip
    """VAS-J of one benchmark.

    Args:
        scores: one a response.
        clusters: name of each response's cluster (its video), which is resampled as a whole.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    counts = Counter({"n": len(scores), "scored": sum(s.value is not None for s in scores)})
    counts.update(f"missing_{s.problem}" for s in scores if s.value is None)
    if clusters is not None:
        named = zip(clusters, scores, strict=True)
        clusters = [name for name, score in named if score.value is not None]
    pairs = merged(_pairs(scores), clusters)
    return VasReport(ratio(pairs, seed=seed, resamples=resamples), dict(counts))


def macro_vas(
    benchmarks: Mapping[str, Sequence[Judged[int]]], *, seed: int = 0, resamples: int = 2000
) -> Estimate:
    """Unweighted mean over benchmarks with its interval."""
    parts = {name: _pairs(scores) for name, scores in benchmarks.items()}
    return macro_ratio(parts, seed=seed, resamples=resamples)


def _pairs(scores: Sequence[Judged[int]]) -> list[Pair]:
    return [(10.0 * s.value, 1.0) for s in scores if s.value is not None]
