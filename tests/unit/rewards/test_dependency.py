"""Dependency alignment (ours): cited times named, not copied, not sprayed."""

from __future__ import annotations

import pytest

from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from rewards.dependency import (
    copied_share,
    dependency_alignment,
    evidence_times_s,
    spoken_times_s,
)


def patch(*times: float, guidance: str = "follow the hands closely around the table") -> (
    EvidencePatch
):
    return EvidencePatch(error_types=("temporal",), guidance=guidance, key_times_s=times)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("at 4.7 s the cup falls", (4.7,)),
        ("from 2 to 3 seconds", (2.0, 3.0)),
        ("2.5-3.5s", (2.5, 3.5)),
        ("around 1:05 and 1:02:05.5", (65.0, 3725.5)),
        ("three men, 5 cups, 7 seats", ()),
        ("12 secondary roads", ()),
    ],
)
def test_spoken_times(text: str, times: tuple[float, ...]) -> None:
    assert spoken_times_s(text) == times


def test_evidence_times_fall_back_to_frames_then_regions() -> None:
    assert evidence_times_s(patch(2.0, 1.0)) == (1.0, 2.0)
    frame = PatchFrame(t_s=3.0, image_sha256="0" * 64)
    region = SpatialRegion(t_s=4.0)
    both = EvidencePatch(
        error_types=("spatial",), guidance="", frames=(frame,), spatial_regions=(region,)
    )
    assert evidence_times_s(both) == (3.0,)
    assert evidence_times_s(both.model_copy(update={"frames": ()})) == (4.0,)


def test_share_of_cited_times() -> None:
    cited = patch(2.0, 6.0)
    assert dependency_alignment("at 2.1 s he turns", (), cited) == 0.5
    assert dependency_alignment("at 2.1 s he turns", (6.4,), cited) == 1.0
    assert dependency_alignment("he turns", (), cited) == 0.0
    assert dependency_alignment("at 2 s", (), patch()) is None


def test_naming_every_time_is_thin() -> None:
    sprayed = tuple(i / 2 for i in range(24))
    assert dependency_alignment("", sprayed, patch(2.0)) == pytest.approx(3 / 24)


def test_copying_the_guidance_costs() -> None:
    cited = patch(2.0)
    copied = "follow the hands closely around the table at 2 s"
    assert copied_share(copied, cited.guidance) == 1.0
    assert dependency_alignment(copied, (), cited) == 0.0
    assert copied_share("the hands move", cited.guidance) == 0.0
    assert copied_share("look again please", "Look again") == 1.0
    assert copied_share("anything", "") == 0.0
