"""From a valid final answer to a patch: cited images become frames with their true times."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.teacher.final_answer import FinalAnswer, FinalAnswerError
from ffr.teacher.pictures import Picture

__all__ = ["Draft", "assemble"]

_END_TOLERANCE_S = 0.5


@dataclass(frozen=True)
class Draft:
    """A patch that has not passed the leak gate, the JPEG bytes it names, and what was cut."""

    patch: EvidencePatch
    jpegs: Mapping[str, bytes] = field(repr=False)
    frames_dropped: int = 0


def assemble(
    answer: FinalAnswer,
    images: Mapping[str, Picture],
    *,
    duration_s: float,
    max_frames: int,
    max_words: int,
) -> Draft:
    """Build the patch.

    Frames are the cited images, the first ``max_frames`` of them, in order of time.

    Args:
        answer: the validated final answer.
        images: everything the teacher was shown, by id.
        duration_s: length of the video in seconds.
        max_frames: most frames of a patch.
        max_words: most words of guidance.

    Raises:
        FinalAnswerError: too many words, a time outside the video, or an id nobody was shown.
    """
    words = len(answer.guidance.split())
    if words > max_words:
        raise FinalAnswerError(f"guidance has {words} words; at most {max_words} are allowed")
    unknown = [i for i in answer.evidence if i not in images]
    if unknown:
        raise FinalAnswerError(
            f"evidence cites {unknown[0][:20]!r}, which was not shown; cite ids from img_0 to "
            f"img_{len(images) - 1}"
        )
    cited = list(dict.fromkeys(answer.evidence))
    jpegs: dict[str, bytes] = {}
    frames: dict[tuple[float, str], PatchFrame] = {}
    for name in cited[:max_frames]:
        picture = images[name]
        sha = hashlib.sha256(picture.jpeg).hexdigest()
        jpegs[sha] = picture.jpeg
        frames[picture.t_s, sha] = PatchFrame(
            t_s=picture.t_s, box=picture.box, label=picture.label, image_sha256=sha
        )
    patch = EvidencePatch(
        error_types=tuple(dict.fromkeys(answer.error_types)),
        guidance=answer.guidance,
        key_times_s=tuple(
            _within(t, duration_s, "key_times_s") for t in dict.fromkeys(answer.key_times_s)
        ),
        temporal_markers=tuple(m for m in answer.temporal_markers if m),
        spatial_regions=tuple(
            SpatialRegion(
                t_s=_within(r.t_s, duration_s, "spatial_regions.t_s"), box=r.box, desc=r.desc
            )
            for r in answer.spatial_regions
        ),
        frames=tuple(frames[key] for key in sorted(frames, key=lambda k: k[0])),
    )
    return Draft(patch, jpegs, frames_dropped=len(cited) - len(cited[:max_frames]))


def _within(t_s: float, duration_s: float, name: str) -> float:
    if t_s > duration_s + _END_TOLERANCE_S:
        raise FinalAnswerError(
            f"{name} has {t_s:g}, which is past the end; valid range 0.0-{duration_s:.1f} s"
        )
    return min(t_s, duration_s)
