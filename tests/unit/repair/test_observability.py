"""Whether the student's own frames already held the evidence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ffr.config.repair import RepairConfig
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.repair.observability import evidence_runs, evidence_was_in_view
from student.prompt_parts import Message, StudentPrompt, TextPart

CONFIG = RepairConfig()
SMALL = (0.0, 0.0, 0.1, 0.5)  # 5.6 pixels wide at 56
LARGE = (0.2, 0.2, 0.4, 0.4)


def prompt(world: Any) -> StudentPrompt:
    """Eight frames at 0.5, 1.5, ... 7.5 s of 56 x 56 pixels."""
    return asyncio.run(world.Renderer().question(world.question().asked))


def patch(**changes: Any) -> EvidencePatch:
    return EvidencePatch.model_validate(
        {"error_types": ("temporal",), "guidance": "look"} | changes
    )


@pytest.mark.parametrize(
    ("times", "seen"),
    [
        ((2.5,), True),
        ((2.46,), True),
        ((2.44,), False),
        ((2.9, 3.0, 3.1), False),  # a flash between two frames
        ((2.9, 3.3, 3.7), True),  # a run that spans the frame at 3.5
        ((2.5, 6.0), False),  # two events, one of them missed
        ((2.5, 6.5), True),
        ((2.4, 4.6), False),  # too far apart to be one event
    ],
)
def test_times(world: Any, times: tuple[float, ...], seen: bool) -> None:
    assert evidence_was_in_view(patch(key_times_s=times), prompt(world), CONFIG) is seen


def test_runs_join_close_times() -> None:
    assert evidence_runs((5.0, 1.0, 1.5, 2.4), 1.0) == [(1.0, 2.4), (5.0, 5.0)]
    assert evidence_runs((), 1.0) == []


@pytest.mark.parametrize(("box", "seen"), [(None, True), (LARGE, True), (SMALL, False)])
def test_regions_and_crops_must_be_large_enough(world: Any, box: Any, seen: bool) -> None:
    region = SpatialRegion(t_s=2.5, box=box)
    crop = PatchFrame(t_s=2.5, box=box, image_sha256="0" * 64)
    for changes in ({"spatial_regions": (region,)}, {"frames": (crop,)}):
        found = patch(key_times_s=(2.5,), **changes)
        assert evidence_was_in_view(found, prompt(world), CONFIG) is seen
        assert evidence_was_in_view(patch(**changes), prompt(world), CONFIG) is seen


def test_threshold_and_tolerance_come_from_the_config(world: Any) -> None:
    strict = RepairConfig(visibility_min_pixels=12.0)
    found = patch(key_times_s=(2.5,), spatial_regions=(SpatialRegion(t_s=2.5, box=LARGE),))
    assert not evidence_was_in_view(found, prompt(world), strict)
    wide = RepairConfig(visibility_tolerance_s=0.5)
    assert evidence_was_in_view(patch(key_times_s=(3.0,)), prompt(world), wide)


def test_patch_that_cites_nothing(world: Any) -> None:
    assert not evidence_was_in_view(patch(), prompt(world), CONFIG)
    misread = patch(error_types=("misconception",))
    assert evidence_was_in_view(misread, prompt(world), CONFIG)
    both = patch(error_types=("misconception", "temporal"))
    assert not evidence_was_in_view(both, prompt(world), CONFIG)


def test_prompt_without_video_shows_nothing() -> None:
    words = StudentPrompt((Message("user", (TextPart("?"),)),))
    assert not evidence_was_in_view(patch(key_times_s=(2.5,)), words, CONFIG)
