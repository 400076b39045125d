from __future__ import annotations

import io
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ffr.config.student import FramesConfig
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, PatchFrame
from student.frame_cache import frame_plan_id
from student.frames import fit_patch_size, fit_size, frame_count, resize, sample_times
from student.overlay import draw_clock
from student.patch_images import PatchImageError, decode_image, load_patch_images
from student.time_axis import TimeAxis


def test_times_are_the_middles_of_equal_slots() -> None:
    assert sample_times(8.0, 8) == (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)
    assert sample_times(3.0, 1) == (1.5,)


@given(st.floats(0.01, 1e5), st.integers(1, 200))
def test_times_increase_and_lie_inside_the_video(duration: float, count: int) -> None:
    times = sample_times(duration, count)
    assert len(times) == count
    assert all(a < b for a, b in pairwise(times))
    assert times[0] > 0
    assert times[-1] < duration


@pytest.mark.parametrize(("duration", "count"), [(0.0, 4), (-1.0, 4), (math.nan, 4), (8.0, 0)])
def test_impossible_plans_are_refused(duration: float, count: int) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        sample_times(duration, count)


@pytest.mark.parametrize(
    ("duration", "fps", "count"),
    [(100.0, None, 16), (8.0, 1.0, 8), (8.9, 1.0, 8), (2.0, 0.1, 1), (100.0, 2.0, 16)],
)
def test_a_rate_gives_a_frame_for_each_of_its_steps(duration, fps, count) -> None:
    config = FramesConfig(count=16, fps=fps)
    assert frame_count(duration, config) == count
    assert (frame_plan_id(config) == frame_plan_id(FramesConfig(count=16))) == (fps is None)


@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([16, 28, 32]))
def test_sizes_fit_the_grid_and_the_budget(height: int, width: int, multiple: int) -> None:
    config = FramesConfig(size_multiple=multiple, max_pixels=128 * 28 * 28)
    h, w = fit_size(height, width, config)
    assert h % multiple == 0
    assert w % multiple == 0
    assert multiple <= h
    assert multiple <= w
    assert h * w <= config.max_pixels
    assert h <= height + multiple
    assert w <= width + multiple


def test_sizes_keep_the_shape_and_use_the_budget() -> None:
    config = FramesConfig(size_multiple=28, max_pixels=128 * 28 * 28)
    h, w = fit_size(1080, 1920, config)
    assert h * w > 0.75 * config.max_pixels
    assert abs(w / h - 16 / 9) < 0.35
    assert fit_size(84, 56, config) == (84, 56)


def test_exact_sizes_win() -> None:
    config = FramesConfig(exact_size=(32, 48), patch_exact_size=(16, 16))
    assert fit_size(1080, 1920, config) == (32, 48)
    assert fit_patch_size(1080, 1920, config) == (16, 16)


def test_a_budget_below_one_tile_names_both_keys() -> None:
    with pytest.raises(UserError, match=r"max_pixels=500 .*size_multiple=28.*784"):
        fit_size(100, 100, FramesConfig(max_pixels=500))


def test_resize_gives_the_asked_height_and_width() -> None:
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    image[:, 30:] = 255
    small = resize(image, (16, 32))
    assert small.shape == (16, 32, 3)
    assert small[:, :12].max() < 40
    assert small[:, 20:].min() > 215
    assert resize(image, (40, 60)) is image


axes = st.lists(st.floats(0, 3600), min_size=1, max_size=32).map(
    lambda ts: TimeAxis(tuple(sorted(ts)), 29.97, 3600.0)
)


@given(axes, st.integers(1, 4))
def test_metadata_carries_the_true_times(axis: TimeAxis, per_group: int) -> None:
    metadata = axis.video_metadata()
    for index, t in zip(metadata["frames_indices"], axis.times_s, strict=True):
        assert abs(index / metadata["fps"] - t) <= 0.0005 + 1e-9
    assert metadata["total_num_frames"] > metadata["frames_indices"][-1]
    groups = axis.group_times_s(per_group)
    assert len(groups) == math.ceil(len(axis.times_s) / per_group)
    assert all(axis.times_s[0] - 1e-9 <= t <= axis.times_s[-1] + 1e-9 for t in groups)


def test_metadata_is_fresh_every_time() -> None:
    axis = TimeAxis((1.0, 3.0, 5.0), 10.0, 8.0)
    axis.video_metadata()["frames_indices"].append(7)
    assert axis.video_metadata()["frames_indices"] == [1000, 3000, 5000]
    assert axis.group_times_s(2) == (2.0, 5.0)


def test_the_clock_is_drawn_on_a_copy_and_shows_the_time() -> None:
    grey = np.full((120, 160, 3), 128, dtype=np.uint8)
    first, second = draw_clock(grey, "4.7 s"), draw_clock(grey, "5.7 s")
    assert (grey == 128).all()
    assert (first != grey).any()
    assert (first != second).any()
    assert (first[60:] == 128).all()


def encoded(size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (250, 10, 10)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_patch_images_are_decoded_at_the_patch_size(kind: str) -> None:
    patch = EvidencePatch(
        error_types=("temporal",), guidance="look",
        frames=(PatchFrame(t_s=1.0, image_sha256="a" * 64),) * 2,
    )
    reads: list[str] = []

    def read(sha: str) -> bytes:
        reads.append(sha)
        return encoded((90, 50), kind)

    images = load_patch_images(patch, read, FramesConfig(size_multiple=16, patch_max_pixels=4096))
    assert reads == ["a" * 64]
    (image,) = images.values()
    assert image.dtype == np.uint8
    assert image.shape == (48, 80, 3)
    assert image[..., 0].min() > 200
    assert image[..., 1:].max() < 60


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", encoded((8, 8), "BMP"), encoded((64, 64), "PNG")[:60]]
)
def test_other_formats_and_damaged_images_are_refused(data: bytes) -> None:
    with pytest.raises(PatchImageError, match="cannot be decoded"):
        decode_image(data)


def test_a_huge_image_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(PatchImageError, match="at most"):
        decode_image(encoded((5000, 4000), "PNG"))


def test_the_frame_plan_id_depends_on_everything_that_changes_pixels() -> None:
    base = FramesConfig()
    ids = {frame_plan_id(base)}
    for change in (
        {"count": 8}, {"max_pixels": 1024}, {"size_multiple": 32}, {"exact_size": (32, 32)},
        {"clock_overlay": True}, {"clock_overlay": True, "clock_format": "hms"},
        {"subtitle_overlay": True},
    ):
        ids.add(frame_plan_id(base.model_copy(update=change)))
    assert len(ids) == 8
    assert frame_plan_id(base.model_copy(update={"patch_max_pixels": 999})) == frame_plan_id(base)
