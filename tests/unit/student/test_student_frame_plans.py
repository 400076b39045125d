"""Frames and seconds per frame group: spec video_r2 §10.13 and acceptance list §12.4 (4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.student import FramesConfig
from student.frames import frame_count, sample_times
from student.time_axis import TimeAxis

PLANS = {
    "sft": FramesConfig(fps=1.0, count=128),
    "grpo": FramesConfig(fps=2.0, count=32),
    "eval": FramesConfig(fps=2.0, count=128),
    "r1": FramesConfig(fps=2.0, count=16),
}


def plan(name: str, duration_s: float) -> TimeAxis:
    config = PLANS[name]
    return TimeAxis(sample_times(duration_s, frame_count(duration_s, config)), 30.0, duration_s)


@pytest.mark.parametrize(
    ("duration_s", "name", "frames", "grid_s"),
    [
        (10, "sft", 10, 2.0), (10, "grpo", 20, 1.0), (10, "eval", 20, 1.0), (10, "r1", 16, 1.25),
        (60, "sft", 60, 2.0), (60, "grpo", 32, 3.75), (60, "eval", 120, 1.0), (60, "r1", 16, 7.5),
        (600, "sft", 128, 9.375), (600, "grpo", 32, 37.5), (600, "eval", 128, 9.375),
        (600, "r1", 16, 75.0),
    ],
)  # fmt: skip
def test_printed_frame_plans(duration_s: int, name: str, frames: int, grid_s: float) -> None:
    axis = plan(name, float(duration_s))
    assert len(axis.times_s) == frames
    assert 2 / axis.sampled_fps == pytest.approx(grid_s)


@pytest.mark.parametrize("duration_s", [10.0, 60.0, 600.0])
def test_the_released_evaluations_stretched_axis_does_not_come_back(duration_s: float) -> None:
    """It resampled to 128 frames and kept the rate: 64 s for every clip. Ours never repeats."""
    axis = plan("eval", duration_s)
    assert len(set(axis.times_s)) == len(axis.times_s)
    grids = len(axis.times_s) / 2
    assert grids * 2 / axis.sampled_fps == pytest.approx(duration_s)


@given(st.floats(2.0, 1e4), st.integers(2, 768), st.one_of(st.none(), st.floats(0.5, 8.0)))
def test_grids_cover_the_video_to_within_one(
    duration_s: float, count: int, fps: float | None
) -> None:
    """Acceptance list 12.4 (4), for any frame cap, rate and duration."""
    frames = frame_count(duration_s, FramesConfig(count=count, fps=fps))
    axis = TimeAxis(sample_times(duration_s, frames), 25.0, duration_s)
    grids = -(-frames // 2)  # an odd last frame repeats
    grid_s = 2 / axis.sampled_fps
    assert abs(grids * grid_s - duration_s) <= grid_s * (1 + 1e-9)
    times = axis.group_times_s()
    assert len(times) == grids
    assert all(abs(t - (i + 0.5) * grid_s) <= grid_s / 2 + 1e-6 for i, t in enumerate(times))
