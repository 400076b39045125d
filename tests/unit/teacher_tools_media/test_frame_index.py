"""The index of frames by time, for back ends that have none."""

from __future__ import annotations

import pytest

from teacher_tools.media.frame_index import FrameIndex

INDEX = FrameIndex(pts=[10, 20, 35, 40, 90], keys=[10, 40])


@pytest.mark.parametrize(
    ("tick", "place"), [(0, 0), (10, 0), (19, 0), (20, 1), (39, 2), (40, 3), (89, 3), (10**9, 4)]
)
def test_the_frame_on_screen(tick: int, place: int) -> None:
    assert INDEX.place(tick) == place


def test_keyframes_before_and_nearest() -> None:
    assert [INDEX.key_before(t) for t in (9, 10, 39, 40, 99)] == [None, 10, 10, 40, 40]
    assert [INDEX.nearest_key(t) for t in (0, 24, 25, 26, 99)] == [10, 10, 10, 40, 40]


def test_without_keyframes_the_frame_on_screen_serves() -> None:
    assert FrameIndex(pts=[10, 20], keys=[]).nearest_key(25) == 20
