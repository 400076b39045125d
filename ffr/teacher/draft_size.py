"""How large a draft is, and images within their budget: a patch shows no more than it must."""

from __future__ import annotations

import dataclasses
import hashlib
import io

import numpy as np
from PIL import Image

from ffr.patches.size import PatchSize, image_pixels, patch_size
from ffr.teacher.assemble import Draft
from teacher_tools.encode import encode_jpeg

__all__ = ["draft_size", "fit_pixels_budget"]


def draft_size(draft: Draft) -> PatchSize:
    """Measure a draft; of the images only the headers are read."""
    return patch_size(draft.patch, lambda sha: image_pixels(draft.jpegs[sha]))


def fit_pixels_budget(draft: Draft, max_pixels: int | None) -> tuple[Draft, int]:
    """Scale down images so that all together stay within ``max_pixels``.

    Images within their equal share are left alone; times and boxes stay true.

    Returns:
        The draft, and how many images were scaled.
    """
    frames = draft.patch.frames
    sizes = {sha: image_pixels(jpeg) for sha, jpeg in draft.jpegs.items()}
    if max_pixels is None or sum(sizes[f.image_sha256] for f in frames) <= max_pixels:
        return draft, 0
    share = max_pixels // len(frames)
    jpegs: dict[str, bytes] = {}
    renamed: dict[str, str] = {}
    for sha, jpeg in draft.jpegs.items():
        data = _scaled(jpeg, share) if sizes[sha] > share else jpeg
        renamed[sha] = hashlib.sha256(data).hexdigest()
        jpegs[renamed[sha]] = data
    patch = draft.patch.model_copy(
        update={
            "frames": tuple(
                frame.model_copy(update={"image_sha256": renamed[frame.image_sha256]})
                for frame in frames
            )
        }
    )
    scaled = sum(sizes[frame.image_sha256] > share for frame in frames)
    return dataclasses.replace(draft, patch=patch, jpegs=jpegs), scaled


def _scaled(jpeg: bytes, pixels: int) -> bytes:
    with Image.open(io.BytesIO(jpeg)) as image:
        factor = (pixels / (image.width * image.height)) ** 0.5
        size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return encode_jpeg(np.asarray(small))
