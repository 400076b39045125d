"""Find evaluation videos among training videos by what they show, whatever they are called.

Copies that were scaled, re-encoded or remuxed have frames with nearly the same perceptual hash
at the same share of their duration; so do excerpts, in part, when enough frames are sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ffr.data.fingerprint import as_bits

__all__ = ["Match", "MatchRule", "find_matches"]

_ROWS, _COLUMNS = 64, 65_536  # of a block of comparisons: 32 MiB


@dataclass(frozen=True)
class MatchRule:
    """When two videos count as the same.

    Attributes:
        max_distance: most differing bits, of 64, of two frames that count as equal.
        min_share: share of an evaluation video's frames that must have an equal frame in the
            training video.
        min_frames: frames with contrast a video must have to be compared at all.
    """

    max_distance: int = 8
    min_share: float = 0.5
    min_frames: int = 3


@dataclass(frozen=True)
class Match:
    """A training video that shows what an evaluation video shows.

    Attributes:
        share: of the evaluation video's frames with an equal frame in the training video.
    """

    training: str
    evaluation: str
    share: float


def find_matches(
    training: Mapping[str, Sequence[str]],
    evaluation: Mapping[str, Sequence[str]],
    rule: MatchRule = MatchRule(),
) -> tuple[list[Match], list[str]]:
    """Compare every evaluation video with every training video.

    Args:
        training: name to frame hashes (``fingerprint.frame_hash``).
        evaluation: the same.
        rule: see ``MatchRule``.

    Returns:
        Matches, best first, and the names of videos of either side with too few frames of
        contrast to be compared.
    """
    few = [name for side in (training, evaluation) for name, hashes in side.items()
           if len(hashes) < rule.min_frames]  # fmt: skip
    names = [name for name, hashes in training.items() if len(hashes) >= rule.min_frames]
    bits = as_bits([h for name in names for h in training[name]])
    owners = np.repeat(np.arange(len(names)), [len(training[name]) for name in names])
    found: list[Match] = []
    for name, hashes in evaluation.items():
        if len(hashes) < rule.min_frames or not names:
            continue
        hits = _hits(as_bits(hashes), bits, owners, len(names), rule.max_distance)
        found += [
            Match(names[owner], name, float(hits[owner]) / len(hashes))
            for owner in np.flatnonzero(hits >= rule.min_share * len(hashes))
        ]
    return sorted(found, key=lambda m: (-m.share, m.evaluation, m.training)), sorted(set(few))


def _hits(
    wanted: npt.NDArray[np.uint64],
    bits: npt.NDArray[np.uint64],
    owners: npt.NDArray[np.int64],
    count: int,
    max_distance: int,
) -> npt.NDArray[np.int64]:
    """For each owner, how many of ``wanted`` are near one of its hashes; shape (count,)."""
    hits = np.zeros(count, dtype=np.int64)
    for top in range(0, len(wanted), _ROWS):
        block = wanted[top : top + _ROWS, None]
        pairs: set[tuple[int, int]] = set()
        for left in range(0, len(bits), _COLUMNS):
            near = np.bitwise_count(block ^ bits[None, left : left + _COLUMNS]) <= max_distance
            frames, columns = np.nonzero(near)
            pairs.update(zip(frames.tolist(), owners[left + columns].tolist(), strict=True))
        for _, owner in pairs:
            hits[owner] += 1
    return hits
