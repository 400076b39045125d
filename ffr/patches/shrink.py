"""Drop frames and regions a patch does not need, by greedy delta debugging.

Any judge decides whether a smaller patch still does its work; the result is 1-minimal: no single
further part can go (after "ddmin", Zeller and Hildebrandt 2002; the use on patches is ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ffr.patches.patch import EvidencePatch

__all__ = ["Judge", "Shrunk", "Verdict", "part_names", "shrink_patch", "with_parts"]

Verdict = Literal["shrunk", "minimal", "out_of_tries", "not_needed", "not_repairing"]


class Judge(Protocol):
    """Decides about patches for one failure."""

    async def holds(self, patch: EvidencePatch | None) -> bool:
        """Whether this patch is enough; ``None`` asks about no patch at all."""
        ...


@dataclass(frozen=True)
class Shrunk:
    """The outcome for one patch.

    Attributes:
        patch: the smallest patch found; the original unless ``verdict`` is ``shrunk`` or
            ``out_of_tries``.
        verdict: ``minimal``: every part is needed; ``out_of_tries``: smaller, maybe not minimal;
            ``not_needed``: it holds without any patch, so the judge cannot tell the parts
            apart; ``not_repairing``: not even the whole patch holds.
        judged: patches the judge was asked about.
    """

    patch: EvidencePatch
    verdict: Verdict
    judged: int


def part_names(patch: EvidencePatch) -> tuple[str, ...]:
    """The parts that may be dropped: ``frame_0``, ..., ``region_0``, ..."""
    frames = [f"frame_{i}" for i in range(len(patch.frames))]
    return (*frames, *(f"region_{i}" for i in range(len(patch.spatial_regions))))


def with_parts(patch: EvidencePatch, parts: Sequence[str]) -> EvidencePatch:
    """The patch with these of its parts only; texts and key times stay."""
    return patch.model_copy(
        update={
            "frames": tuple(f for i, f in enumerate(patch.frames) if f"frame_{i}" in parts),
            "spatial_regions": tuple(
                r for i, r in enumerate(patch.spatial_regions) if f"region_{i}" in parts
            ),
        }
    )


async def shrink_patch(patch: EvidencePatch, judge: Judge, *, max_judged: int = 64) -> Shrunk:
    """Make a patch as small as the judge allows.

    Args:
        patch: as stored.
        judge: asked one patch at a time, never twice about the same.
        max_judged: most patches it is asked about (at least 2 are needed).

    Raises:
        Whatever the judge raises.
    """
    if max_judged < 2:
        raise ValueError(f"max_judged={max_judged} is not allowed; give at least 2")
    parts = list(part_names(patch))
    if not parts:
        return Shrunk(patch, "minimal", 0)
    if await judge.holds(None):
        return Shrunk(patch, "not_needed", 1)
    if not await judge.holds(patch):
        return Shrunk(patch, "not_repairing", 2)
    search = _Search(patch, judge, asked=2, limit=max_judged)
    kept = [] if await search.holds([]) else await search.reduce(parts)
    verdict: Verdict = "minimal" if len(kept) == len(parts) else "shrunk"
    return Shrunk(
        with_parts(patch, kept), "out_of_tries" if search.exhausted else verdict, search.asked
    )


class _Search:
    def __init__(self, patch: EvidencePatch, judge: Judge, *, asked: int, limit: int) -> None:
        self.asked = asked
        self.exhausted = False
        self._patch = patch
        self._judge = judge
        self._limit = limit
        self._known: dict[tuple[str, ...], bool] = {}

    async def holds(self, parts: Sequence[str]) -> bool:
        key = tuple(parts)
        if key not in self._known:
            if self.asked >= self._limit:
                self.exhausted = True
                return False
            self.asked += 1
            self._known[key] = await self._judge.holds(with_parts(self._patch, parts))
        return self._known[key]

    async def reduce(self, parts: list[str]) -> list[str]:
        """Drop ever smaller chunks until no single part can go."""
        pieces = 2
        while len(parts) > 1:
            size = -(-len(parts) // pieces)
            for start in range(0, len(parts), size):
                rest = parts[:start] + parts[start + size :]
                if rest and await self.holds(rest):
                    parts, pieces = rest, max(pieces - 1, 2)
                    break
            else:
                if size == 1:
                    break
                pieces = min(2 * pieces, len(parts))
        return parts
