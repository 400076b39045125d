"""How large a patch is, and images within their budget: a patch carries no more than it must."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ffr.patches.patch import EvidencePatch
from ffr.teacher.assemble import Draft
from teacher_tools.encode import encode_jpeg

__all__ = ["PatchSize", "fit_pixels_budget", "patch_size", "seconds_covered"]

_SAME_STRETCH_S = 2.0


@dataclass(frozen=True)
class PatchSize:
    """What a patch asks a student to take in.

    Attributes:
        frames: images.
        pixels: of all images together.
        seconds: of video pointed at, see ``seconds_covered``.
        words: of all texts together.
    """

    frames: int
    pixels: int
    seconds: float
    words: int

    def counters(self) -> dict[str, float]:
        """The same as counters of a diagnosis, to be summed over patches."""
        return {f"patch_{name}": float(value) for name, value in dataclasses.asdict(self).items()}


def patch_size(draft: Draft) -> PatchSize:
    """Measure a patch; of the images only the headers are read."""
    patch = draft.patch
    texts = [patch.guidance, *patch.temporal_markers, *(r.desc for r in patch.spatial_regions)]
    return PatchSize(
        frames=len(patch.frames),
        pixels=sum(_pixels(draft.jpegs[frame.image_sha256]) for frame in patch.frames),
        seconds=seconds_covered(patch),
        words=sum(len(text.split()) for text in texts),
    )


def seconds_covered(patch: EvidencePatch) -> float:
    """Seconds of video a patch points at (ours).

    Its times (key times, regions, frames) at most 2 s apart form a stretch; the lengths of the
    stretches are summed, so two far moments are small and a whole minute of frames is not.
    """
    times = [*patch.key_times_s, *(r.t_s for r in patch.spatial_regions)]
    times += [frame.t_s for frame in patch.frames]
    gaps = (later - earlier for earlier, later in itertools.pairwise(sorted(times)))
    return sum(gap for gap in gaps if gap <= _SAME_STRETCH_S)


def fit_pixels_budget(draft: Draft, max_pixels: int | None) -> tuple[Draft, int]:
    """Scale down images so that all together stay within ``max_pixels``.

    Images within their equal share are left alone; times and boxes stay true.

    Returns:
        The draft, and how many images were scaled.
    """
    frames = draft.patch.frames
    sizes = {sha: _pixels(jpeg) for sha, jpeg in draft.jpegs.items()}
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


def _pixels(jpeg: bytes) -> int:
    with Image.open(io.BytesIO(jpeg)) as image:
        return image.width * image.height


def _scaled(jpeg: bytes, pixels: int) -> bytes:
    with Image.open(io.BytesIO(jpeg)) as image:
        factor = (pixels / (image.width * image.height)) ** 0.5
        size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return encode_jpeg(np.asarray(small))
