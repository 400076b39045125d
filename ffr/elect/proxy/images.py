"""Images inside a request: measured by their header, decoded only to be shown differently."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings

import numpy as np
from PIL import Image

from ffr.elect.views import View, show
from teacher_tools.encode import encode_jpeg

__all__ = ["BadImageError", "image_size", "is_data_url", "shown_jpeg"]

_DATA_URL = re.compile(r"data:image/[a-z+.-]{1,20};base64,", re.IGNORECASE)
_FORMATS = ("PNG", "JPEG", "WEBP")


class BadImageError(ValueError):
    """A data URL that holds no usable image."""


def is_data_url(url: str) -> bool:
    """Whether the pixels come with the request."""
    return url[:5].lower() == "data:"


def image_size(url: str) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        BadImageError: not a base64 PNG, JPEG or WebP.
    """
    width, height = _open(url).size
    return width, height


def shown_jpeg(url: str, view: View) -> bytes:
    """The image under a view, as JPEG.

    Raises:
        BadImageError: it cannot be decoded.
    """
    try:
        pixels = np.asarray(_open(url).convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise BadImageError("it cannot be decoded; send a whole PNG, JPEG or WebP") from error
    return encode_jpeg(show(pixels, view))


def _open(url: str) -> Image.Image:
    match = _DATA_URL.match(url)
    if match is None:
        raise BadImageError("send data:image/jpeg;base64,... or an http(s) address")
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=_FORMATS)
    except (
        binascii.Error, OSError, ValueError, SyntaxError,
        Image.DecompressionBombError, Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        raise BadImageError("it is no readable PNG, JPEG or WebP") from error
