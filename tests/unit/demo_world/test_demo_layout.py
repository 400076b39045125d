"""The plan of a video keeps what each family promises, at every frame rate."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from ffr.demo.layout import (
    FRAME_RATES,
    FRAME_SIDE,
    SPLITS,
    STUDENT_SIDE,
    Family,
    VideoPlan,
    plan_video,
    student_times,
)
from ffr.demo.vocabulary import COLOURS, DURATION_S, SHAPES, SLOT_S

PLANS = [plan_video(7, split, number) for split in SPLITS for number in range(60)]


def objects_of(family: Family) -> list[tuple[VideoPlan, int]]:
    return [
        (plan, slot)
        for plan in PLANS
        for slot, item in enumerate(plan.objects)
        if item.family == family
    ]


def test_equal_arguments_give_equal_plans_and_others_do_not() -> None:
    assert plan_video(7, "train", 3) == plan_video(7, "train", 3)
    others = [plan_video(8, "train", 3), plan_video(7, "test", 3), plan_video(7, "train", 4)]
    assert all(plan.objects != plan_video(7, "train", 3).objects for plan in others)


def test_every_rate_colour_shape_and_family_is_used() -> None:
    items = [item for plan in PLANS for item in plan.objects]
    assert {plan.fps for plan in PLANS} == set(FRAME_RATES)
    assert {item.colour for item in items} == set(COLOURS)
    assert {item.shape for item in items} == set(SHAPES)
    assert {item.family for item in items} == set(get_args(Family))


@pytest.mark.parametrize("split", SPLITS[1:])
def test_half_of_the_questions_need_evidence(split: str) -> None:
    for plan in PLANS:
        if plan.split == split:
            families = sorted(item.family for item in plan.objects)
            assert families == ["spatial", "temporal", "visible", "visible"]


def test_objects_stay_inside_their_own_slot_and_cover_the_asked_time() -> None:
    for plan in PLANS:
        for slot, item in enumerate(plan.objects):
            first_s, last_s = plan.time_s(item.first_frame), plan.time_s(item.last_frame)
            assert slot * SLOT_S < first_s <= item.asked_s <= last_s < (slot + 1) * SLOT_S
            assert item.last_frame < plan.frame_count


@pytest.mark.parametrize("fps", FRAME_RATES, ids=str)
def test_a_flash_covers_no_frame_the_student_can_be_shown(fps: object) -> None:
    """Neither the frame on screen at a sampled time nor its neighbours."""
    for plan, slot in objects_of("temporal"):
        if plan.fps != fps:
            continue
        item = plan.objects[slot]
        for t in student_times():
            nearest = round(t * plan.fps)
            assert not item.first_frame - 1 <= nearest <= item.last_frame + 1
        shown_s = plan.time_s(item.last_frame) - plan.time_s(item.first_frame)
        assert 0.2 < shown_s <= 0.3


def test_visible_objects_are_on_both_of_their_sampled_frames() -> None:
    for plan, slot in objects_of("visible"):
        item = plan.objects[slot]
        inside = [
            t for t in student_times()
            if plan.time_s(item.first_frame) <= t <= plan.time_s(item.last_frame)
        ]
        assert len(inside) == 2
        assert item.diameter * STUDENT_SIDE / FRAME_SIDE > 12  # student pixels


def test_spatial_objects_are_a_pixel_or_two_for_the_student_and_never_cut_off() -> None:
    for plan, slot in objects_of("spatial"):
        item = plan.objects[slot]
        assert item.diameter * STUDENT_SIDE / FRAME_SIDE <= 1.5
        x0, y0, x1, y1 = item.box_px
        assert x0 > 0
        assert y0 > 0
        assert x1 < FRAME_SIDE
        assert y1 < FRAME_SIDE


def test_span_is_in_seconds_and_the_box_is_normalised() -> None:
    plan = plan_video(7, "train", 0)
    item = replace(plan.objects[0], centre=(160, 80), diameter=32, first_frame=12, last_frame=24)
    span = replace(plan, fps=FRAME_RATES[0]).span(item)
    assert (span.start_s, span.end_s) == (0.5, 1.0)
    assert span.box == (0.45, 0.2, 0.55, 0.3)


def test_video_names_carry_the_split_so_no_file_serves_two() -> None:
    names = [plan.name for plan in PLANS]
    assert len(set(names)) == len(names)
    assert all(plan.name.startswith(f"{plan.split}_") for plan in PLANS)


def test_a_video_lasts_as_long_as_its_slots() -> None:
    for plan in PLANS:
        assert plan.frame_count / plan.fps >= DURATION_S - 0.01
        assert plan.frame_count / plan.fps < DURATION_S + 0.02
