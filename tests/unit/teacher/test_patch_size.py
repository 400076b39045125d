"""The size of patches and their budgets."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.patches.size import PatchSize, seconds_covered
from ffr.teacher.assemble import Draft
from ffr.teacher.draft_size import draft_size, fit_pixels_budget
from teacher_tools.encode import encode_jpeg


def draft(*sizes: tuple[int, int]) -> Draft:
    jpegs, frames = {}, []
    for number, (width, height) in enumerate(sizes):
        data = encode_jpeg(np.full((height, width, 3), number, np.uint8))
        sha = hashlib.sha256(data).hexdigest()
        jpegs[sha] = data
        frames.append(PatchFrame(t_s=float(number), image_sha256=sha))
    patch = EvidencePatch(
        error_types=("temporal",), guidance="Look here now.", key_times_s=(0.5,),
        temporal_markers=("at once",), frames=tuple(frames),
        spatial_regions=(SpatialRegion(t_s=0.0, desc="upper left"),),
    )  # fmt: skip
    return Draft(patch, jpegs)


def test_size() -> None:
    size = draft_size(draft((64, 48), (10, 10)))
    assert size == PatchSize(frames=2, pixels=64 * 48 + 100, seconds=1.0, words=7, regions=1)
    assert size.counters() == {
        "patch_frames": 2.0, "patch_pixels": 3172.0, "patch_seconds": 1.0, "patch_words": 7.0,
        "patch_regions": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("times", "seconds"),
    [((), 0.0), ((3.0,), 0.0), ((3.0, 3.0), 0.0), ((1.0, 50.0), 0.0), ((2.0, 1.0, 3.5), 2.5),
     ((1.0, 2.0, 50.0, 51.5), 2.5)],
)  # fmt: skip
def test_far_moments_are_small_and_stretches_are_not(
    times: tuple[float, ...], seconds: float
) -> None:
    patch = EvidencePatch(error_types=("temporal",), guidance="x", key_times_s=times)
    assert seconds_covered(patch) == pytest.approx(seconds)


@given(
    st.lists(st.tuples(st.integers(8, 200), st.integers(8, 200)), min_size=1, max_size=4),
    st.integers(4096, 60_000),
)
def test_images_fit_the_budget_and_keep_their_shape(
    sizes: list[tuple[int, int]], budget: int
) -> None:
    before = draft(*sizes)
    after, scaled = fit_pixels_budget(before, budget)
    pixels = [Image.open(io.BytesIO(after.jpegs[f.image_sha256])).size for f in after.patch.frames]
    total = sum(w * h for w, h in sizes)
    assert sum(w * h for w, h in pixels) <= max(budget, min(total, budget))
    if total <= budget:
        assert (after, scaled) == (before, 0)
    else:
        assert scaled == sum(a != b for a, b in zip(pixels, sizes, strict=True)) >= 1
    for (w0, h0), (w1, h1) in zip(sizes, pixels, strict=True):
        assert abs(w1 / w0 - h1 / h0) <= 1.0 / min(w0, h0)
    assert [f.t_s for f in after.patch.frames] == [f.t_s for f in before.patch.frames]
    assert fit_pixels_budget(before, None) == (before, 0)
