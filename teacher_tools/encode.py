"""Frames as files."""

from __future__ import annotations

import io

from PIL import Image

from teacher_tools.media.types import RGBImage

__all__ = ["JPEG_QUALITY", "encode_jpeg"]

JPEG_QUALITY = 92


def encode_jpeg(image: RGBImage, *, quality: int = JPEG_QUALITY) -> bytes:
    """Encode uint8 RGB (H, W, 3) as JPEG without chroma subsampling, so that small text survives.

    Equal pixels give equal bytes for one version of Pillow, so the bytes may be content-addressed.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
