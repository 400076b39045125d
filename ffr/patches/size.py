"""How much evidence a patch carries: frames, pixels, seconds, words, regions."""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from ffr.patches.patch import EvidencePatch

__all__ = ["PatchSize", "image_pixels", "patch_size", "seconds_covered"]


_SAME_STRETCH_S = 2.0


@dataclass(frozen=True)
class PatchSize:
    """The size of one patch.

    Attributes:
        frames: images shown.
        pixels: their pixels together, as stored.
        seconds: of video pointed at, see ``seconds_covered``.
        words: of all texts together.
        regions: places named.
    """

    frames: int
    pixels: int
    seconds: float
    words: int
    regions: int

    def counters(self) -> dict[str, float]:
        """The same as counters of a diagnosis, to be summed over patches."""
        return {f"patch_{name}": float(value) for name, value in dataclasses.asdict(self).items()}


def patch_size(patch: EvidencePatch, pixels_of: Callable[[str], int]) -> PatchSize:
    """Measure a patch; ``pixels_of`` gives the pixels of an image by its SHA-256."""
    texts = [patch.guidance, *patch.temporal_markers, *(r.desc for r in patch.spatial_regions)]
    return PatchSize(
        frames=len(patch.frames),
        pixels=sum(pixels_of(f.image_sha256) for f in patch.frames),
        seconds=seconds_covered(patch),
        words=sum(len(text.split()) for text in texts),
        regions=len(patch.spatial_regions),
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


def image_pixels(data: bytes) -> int:
    """Width times height of an encoded JPEG or PNG, from its header; nothing is unpacked.

    Raises:
        ValueError: it is neither.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return image.width * image.height
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"no JPEG or PNG image ({type(error).__name__})") from error
