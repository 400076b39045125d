"""Could the student have known? The gate in front of training a repair under the plain prompt.

Training every repaired answer without its patch teaches confident guessing where the evidence
was never in view (design §6.0). A patch says where its evidence lies; together with the frames
the student had, that decides whether the plain prompt held it. The rule is ours and errs towards
"no": a missed chance costs one training row, a false "yes" rewards a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ffr.config.repair import RepairConfig
from ffr.geometry import Box
from ffr.patches.patch import EvidencePatch
from rewards.dependency import evidence_times_s
from student.prompt_parts import StudentPrompt
from student.time_axis import TimeAxis

__all__ = ["evidence_runs", "evidence_was_in_view", "times_in_view"]


def evidence_runs(times_s: Sequence[float], max_gap_s: float) -> list[tuple[float, float]]:
    """Sorted times joined into (first, last) runs, seconds, wherever no gap exceeds ``max_gap_s``.

    Neighbouring key times closer than the student samples are one event, not several.
    """
    runs: list[tuple[float, float]] = []
    for time in sorted(times_s):
        if runs and time - runs[-1][1] <= max_gap_s + 1e-9:
            runs[-1] = (runs[-1][0], time)
        else:
            runs.append((time, time))
    return runs


def times_in_view(times_s: Sequence[float], axis: TimeAxis, tolerance_s: float) -> bool:
    """Whether every run of evidence holds at least one frame the student had."""
    runs = evidence_runs(times_s, 1.0 / axis.sampled_fps)
    return bool(runs) and all(
        any(start - tolerance_s - 1e-9 <= t <= end + tolerance_s + 1e-9 for t in axis.times_s)
        for start, end in runs
    )


def evidence_was_in_view(
    patch: EvidencePatch, plain: StudentPrompt, config: RepairConfig
) -> bool:
    """Whether the student's own prompt already showed what the patch points at.

    Args:
        patch: the evidence.
        plain: the first-pass prompt; its first video gives frame times and frame size in pixels.
        config: ``visibility_tolerance_s`` (seconds) and ``visibility_min_pixels`` (shorter side
            of a region at the student's resolution).

    Returns:
        True when a student frame lies in every run of the evidence's times and every boxed region
        or crop is large enough there. Evidence without a box is the whole frame, so large. A
        patch that cites nothing at all is in view only if it calls the error a pure
        misconception: then the student saw the evidence and misread the task.
    """
    if not plain.videos:
        return False
    video = plain.videos[0]
    height, width = (int(side) for side in video.frames.shape[1:3])
    if not all(
        _shorter_side(box, height, width) + 1e-9 >= config.visibility_min_pixels
        for box in _boxes(patch)
    ):
        return False
    times = evidence_times_s(patch)
    if not times:
        return set(patch.error_types) == {"misconception"}
    return times_in_view(times, video.axis, config.visibility_tolerance_s)


def _boxes(patch: EvidencePatch) -> Iterable[Box]:
    boxes = [region.box for region in patch.spatial_regions]
    boxes += [frame.box for frame in patch.frames]
    return (box for box in boxes if box is not None)


def _shorter_side(box: Box, height: int, width: int) -> float:
    x0, y0, x1, y1 = box
    return min((x1 - x0) * width, (y1 - y0) * height)
