"""Pictures: grey noise behind, a saturated shape in its box in front."""

from __future__ import annotations

import numpy as np
import pytest

from ffr.demo.layout import FRAME_SIDE, plan_video
from ffr.demo.records import crop_box
from ffr.demo.render import background, draw_object, shape_mask
from ffr.demo.vocabulary import SHAPES


def test_backgrounds_are_grey_noisy_and_differ() -> None:
    draw = np.random.default_rng(0)
    first, second = background(draw), background(draw)
    assert first.shape == (FRAME_SIDE, FRAME_SIDE, 3)
    assert first.dtype == np.uint8
    assert (first == first[:, :, :1]).all()
    assert first.std() > 3
    assert (first != second).any()


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_object_changes_pixels_inside_its_box_only(split: str) -> None:
    plan = plan_video(1, split, 5)  # type: ignore[arg-type]
    grey = background(np.random.default_rng(1))
    for item in plan.objects:
        picture = draw_object(grey, item, np.random.default_rng(2))
        changed = (picture != grey).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        x0, y0, x1, y1 = item.box_px
        assert (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) == pytest.approx(
            (x0, y0, x1, y1), abs=max(1, 0.08 * item.diameter)
        )
        assert x0 <= columns[0]
        assert columns[-1] < x1
        assert y0 <= rows[0]
        assert rows[-1] < y1


def test_shapes_differ_clearly_also_when_small() -> None:
    for diameter in (12, 200):
        masks = [shape_mask(shape, diameter) for shape in SHAPES]
        for i, first in enumerate(masks):
            for second in masks[i + 1 :]:
                assert np.abs(first - second).mean() > 0.15


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"'star'.*circle"):
        shape_mask("star", 10)


def test_a_crop_holds_its_object_and_stays_inside_the_frame() -> None:
    for number in range(50):
        plan = plan_video(2, "train", number)
        for item in plan.objects:
            crop, box = crop_box(item, 1.5), plan.span(item).box
            assert box is not None
            assert crop[0] <= box[0]
            assert crop[1] <= box[1]
            assert crop[2] >= box[2]
            assert crop[3] >= box[3]
            assert min(crop) >= 0
            assert max(crop) <= 1
