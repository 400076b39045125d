"""From the stored bytes of a patch's images to arrays a prompt can hold.

The bytes come from a store that others may have filled, so they are decoded with two formats
only and a cap on pixels before anything is unpacked.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ffr.config.student import FramesConfig
from ffr.errors import FfrError
from ffr.patches.patch import EvidencePatch
from student.frames import fit_patch_size, resize

__all__ = ["MAX_IMAGE_PIXELS", "PatchImageError", "decode_image", "load_patch_images"]

MAX_IMAGE_PIXELS = 16_777_216
_FORMATS = ("JPEG", "PNG")


class PatchImageError(FfrError):
    """An evidence image cannot be decoded or is too large."""


def decode_image(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode JPEG or PNG bytes to uint8 RGB (H, W, 3); transparency is dropped.

    Raises:
        PatchImageError: another format, damaged data, or more than ``MAX_IMAGE_PIXELS``.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_IMAGE_PIXELS:
                raise PatchImageError(
                    f"evidence image has {width}x{height} pixels; at most {MAX_IMAGE_PIXELS} "
                    "pixels are allowed"
                )
            return np.asarray(image.convert("RGB"))
    except (
        UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError,
        struct.error,
    ) as error:
        raise PatchImageError(
            f"evidence image of {len(data)} bytes cannot be decoded ({type(error).__name__}); "
            "store JPEG or PNG bytes"
        ) from error


def load_patch_images(
    patch: EvidencePatch, read: Callable[[str], bytes], config: FramesConfig
) -> dict[str, npt.NDArray[np.uint8]]:
    """The images a patch names, at the student's patch size.

    Args:
        patch: the evidence patch.
        read: gives the encoded bytes of an image by SHA-256 (``MediaStore.get``).
        config: size of evidence images.

    Returns:
        uint8 RGB arrays (H, W, 3) by SHA-256, for ``student.prompt.render_patched``.

    Raises:
        PatchImageError: an image cannot be decoded.
    """
    images: dict[str, npt.NDArray[np.uint8]] = {}
    for frame in patch.frames:
        if frame.image_sha256 not in images:
            image = decode_image(read(frame.image_sha256))
            size = fit_patch_size(image.shape[0], image.shape[1], config)
            images[frame.image_sha256] = resize(image, size)
    return images
