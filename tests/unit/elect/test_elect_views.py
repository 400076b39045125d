"""The schedule of views and what they do to pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.elect import BudgetConfig, ElectConfig, ViewsConfig
from ffr.config.load import load_as
from ffr.elect.views import View, request_seed, show, show_video, view_schedule
from ffr.errors import UserError
from student.prompt_parts import VideoPart
from student.time_axis import TimeAxis


def test_the_schedule_is_the_specs() -> None:
    views = view_schedule(ElectConfig())
    rows = [(v.number, v.temperature, v.spatial, v.brightness) for v in views]
    assert rows == [
        (1, 0.2, "full", 1.0), (2, 0.7, "full", 1.15), (3, 0.9, "centre", 1.0),
        (4, 0.2, "top_left", 1.0), (5, 0.7, "top_right", 1.0), (6, 0.9, "bottom_left", 1.0),
        (7, 0.2, "bottom_right", 1.0), (8, 0.7, "full", 0.85),
    ]  # fmt: skip


def test_each_kind_of_diversity_can_be_switched_off() -> None:
    plain = ElectConfig(views=ViewsConfig(crops=False, brightness=False))
    assert all(view.plain for view in view_schedule(plain))
    one = ElectConfig(views=ViewsConfig(diverse=False))
    assert [v.temperature for v in view_schedule(one)] == [0.2]
    long = ElectConfig(budget=BudgetConfig(most=20))
    assert [v.number for v in view_schedule(long)] == list(range(1, 21))


def picture() -> np.ndarray:
    """Brightness grows to the right and downwards, so that any flip or shift shows."""
    rows, columns = np.mgrid[0:40, 0:60]
    return np.stack([rows + columns] * 3, axis=-1).astype(np.uint8) + 20


@pytest.mark.parametrize(
    ("spatial", "lighter"), [("top_left", False), ("bottom_right", True), ("centre", None)]
)
def test_crops_keep_size_and_orientation(spatial, lighter) -> None:
    full = picture()
    seen = show(full, View(1, 0.2, spatial))
    assert seen.shape == full.shape
    assert seen[:, :20].mean() < seen[:, -20:].mean()
    assert seen[:10].mean() < seen[-10:].mean()
    shift = seen.mean() - full.mean()
    assert abs(shift) < 0.5 if lighter is None else (shift > 1) == lighter


def test_brightness_scales_and_clips() -> None:
    full = picture()
    assert show(full, View(1, 0.2, brightness=1.15)).mean() == pytest.approx(
        1.15 * full.mean(), rel=0.01
    )
    white = np.full((4, 4, 3), 250, np.uint8)
    assert show(white, View(1, 0.2, brightness=1.15)).max() == 255
    assert show(white, View(1, 0.2)) is white


def test_a_video_keeps_its_times_and_its_order() -> None:
    frames = np.stack([picture() // (i + 1) for i in range(3)])
    video = VideoPart(frames, TimeAxis((0.5, 1.5, 2.5), 10.0, 3.0))
    seen = show_video(video, View(3, 0.9, "centre"))
    assert seen.axis is video.axis
    means = seen.frames.mean(axis=(1, 2, 3))
    assert list(means) == sorted(means, reverse=True)
    assert show_video(video, View(1, 0.2)) is video


@given(seed=st.integers(0, 10**6), number=st.integers(1, 64))
def test_seeds_depend_on_seed_question_and_view_alone(seed, number) -> None:
    view = View(number, 0.2)
    found = request_seed(seed, "q", view)
    assert 0 <= found < 2**31
    assert found == request_seed(seed, "q", View(number, 0.9, "centre"))
    others = {
        request_seed(seed + 1, "q", view), request_seed(seed, "r", view),
        request_seed(seed, "q", View(number + 1, 0.2)),
    }  # fmt: skip
    assert found not in others


def test_settings_are_checked_with_the_fix() -> None:
    with pytest.raises(UserError, match=r"budget\.first"):
        load_as(ElectConfig, [], ["budget.frist=2"])
    with pytest.raises(UserError, match=r"at most most=2"):
        load_as(ElectConfig, [], ["budget.most=2"])
    with pytest.raises(UserError, match="length_unit=tokens needs"):
        load_as(ElectConfig, [], ["evidence.length_unit=tokens"])
    with pytest.raises(UserError, match="temperatures"):
        load_as(ElectConfig, [], ["views.temperatures=[]"])
    assert load_as(ElectConfig, [], ["referee.when='off'"]).referee.when == "off"
