"""Temporal intersection over union: how well one stretch of a video meets another.

The measure of temporal grounding (Charades-STA, ActivityNet Captions); its mean over questions is
*mIoU*, the share of questions from 0.5 up *R1@0.5*. As a reward it is that of Time-R1 and its
successors, whose released reading ``released_iou`` keeps for parity.
"""

from __future__ import annotations

import re

__all__ = ["released_iou", "temporal_iou"]

Stretch = tuple[float, float]

_RELEASED = re.compile(r"(\d+\.?\d*) (?:to|and) (\d+\.?\d*)", re.IGNORECASE | re.ASCII)
_MAX_CHARS = 200_000


def temporal_iou(one: Stretch, two: Stretch) -> float:
    """Length of the overlap over the length of both together, in [0, 1].

    Args:
        one: start and end, seconds.
        two: the same. A stretch that ends where or before it begins meets nothing: 0.
    """
    (start, end), (other_start, other_end) = one, two
    if end <= start or other_end <= other_start:
        return 0.0
    overlap = min(end, other_end) - max(start, other_start)
    if overlap <= 0:
        return 0.0
    return min(1.0, overlap / (end - start + other_end - other_start - overlap))


def released_iou(answer: str, gold: Stretch) -> float:
    """The released reward of an answer: its last ``X to Y`` or ``X and Y``, wherever it stands.

    The released code divides by the distance from the first start to the last end; where the
    stretches overlap that is their union, elsewhere the result is 0 either way. It also keeps the
    value of the record before when that distance is 0, which is 0 here (ours).
    """
    found = _RELEASED.findall(answer[:_MAX_CHARS])
    if not found:
        return 0.0
    start, end = (float(text) for text in found[-1])
    hull = max(end, gold[1]) - min(start, gold[0])
    overlap = max(0.0, min(end, gold[1]) - max(start, gold[0]))
    return overlap / hull if hull > 0 and overlap > 0 else 0.0
