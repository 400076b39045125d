"""The observer's final JSON: where and when to look, never what is there.

Every word of the texts is fixed here or in ``ffr.demo.vocabulary``; only times and boxes are
filled in, so nothing seen in the video, and nothing from the task, can get into a patch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ffr.demo.observer_reading import SeenImage
from ffr.demo.vocabulary import guidance_text

__all__ = ["evidence_answer", "nothing_found_answer"]

_TERSE = "Look again, closely."


def evidence_answer(
    error_types: Sequence[str],
    span: tuple[float, float],
    evidence: Sequence[SeenImage],
    *,
    terse: bool = False,
) -> str:
    """Final content that cites frames or crops, in time order.

    Args:
        error_types: a non-empty selection of ``temporal``, ``spatial``, ``misconception``.
        span: seconds the guidance speaks of.
        evidence: images the answer cites, at least one.
        terse: leave out every text that may have had an earlier answer refused.
    """
    start_s, end_s = span
    crops = [image for image in evidence if image.box is not None]
    return _content(
        error_types=list(error_types),
        guidance=_TERSE if terse else guidance_text(start_s, end_s, zoomed=bool(crops)),
        key_times_s=[image.t_s for image in evidence],
        temporal_markers=[] if terse else [f"{start_s:.1f} to {end_s:.1f} seconds"],
        spatial_regions=[
            {
                "t_s": image.t_s,
                "box": list(image.box or ()),
                "desc": "" if terse else "marked region",
            }
            for image in crops
        ],
        evidence=[image.id for image in evidence],
    )


def nothing_found_answer(span: tuple[float, float] | None) -> str:
    """Final content that cites nothing, for a search without a result."""
    where = "in this video" if span is None else f"from {span[0]:.1f} to {span[1]:.1f} seconds"
    return _content(
        error_types=["misconception"],
        guidance=f"Nothing that stands out was found {where}.",
        key_times_s=[],
        temporal_markers=[],
        spatial_regions=[],
        evidence=[],
    )


def _content(**fields: object) -> str:
    return json.dumps(fields, separators=(", ", ": "))
