"""Stores with a few records, made quickly."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from ffr.patches.patch import EvidencePatch, NoPatch, PatchFrame, SpatialRegion
from ffr.patches.record import StoredDiagnosis
from ffr.patches.store import PatchStore


def jpeg(shade: int) -> bytes:
    """A real, tiny JPEG; equal shades give equal bytes."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (40 * shade % 256, shade // 6, 9)).save(out, "JPEG")
    return out.getvalue()


def key(number: int) -> str:
    return f"{number:064x}"


def patch_record(store: PatchStore, number: int, *, shades: tuple[int, ...]) -> StoredDiagnosis:
    """A record of a patch whose images are in the media store."""
    frames = tuple(
        PatchFrame(t_s=1.0 + i, label=f"frame {i}", image_sha256=store.media.put(jpeg(s)))
        for i, s in enumerate(shades)
    )
    patch = EvidencePatch(
        error_types=("temporal",),
        guidance=f"Look again, number {number}.",
        key_times_s=(1.0,),
        spatial_regions=(SpatialRegion(t_s=1.5, box=(0.1, 0.1, 0.5, 0.5), desc="left"),),
        frames=frames,
    )
    return StoredDiagnosis(
        patch=patch, teacher_model="m", question_id=f"q{number}", tool_calls=(("clip", 2, 1),)
    )


def fill(store: PatchStore, patches: int = 4, failures: int = 2) -> PatchStore:
    """Patches 0.. (neighbours share an image), then failures."""
    for n in range(patches):
        store.put(key(n), patch_record(store, n, shades=(n, n + 1)))
    for n in range(patches, patches + failures):
        store.put(
            key(n),
            StoredDiagnosis(
                failure=NoPatch(reason="leak", detail="x"), attempts=1, question_id="q"
            ),
        )
    return store


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[str], PatchStore]:
    """Makes a filled store in a named folder."""
    return lambda name: fill(PatchStore(tmp_path / name))


@pytest.fixture
def store(make_store: Callable[[str], PatchStore]) -> PatchStore:
    return make_store("store")


@pytest.fixture
def kit() -> SimpleNamespace:
    """The makers above, for tests that build their own stores."""
    return SimpleNamespace(jpeg=jpeg, key=key, patch_record=patch_record, fill=fill)
