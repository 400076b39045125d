"""Images as they arrive over HTTP: base64 data URLs, decoded once and remembered.

Every request of a conversation carries all images again; a small cache keyed by content
keeps the cost of that near zero without giving the observer any memory of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from PIL import Image, UnidentifiedImageError

from ffr.demo.observer_sight import Look, look_at

__all__ = ["MAX_PIXELS", "ImageReader", "UnreadableImageError"]

MAX_PIXELS = 16_000_000
"""Largest image accepted, in pixels: far above any frame, far below a decompression bomb."""

_DATA_URL = re.compile(r"data:image/(?:png|jpe?g|webp);base64,", re.IGNORECASE)
_FORMATS = ("PNG", "JPEG", "WEBP")

Value = TypeVar("Value")


class UnreadableImageError(ValueError):
    """An image block that holds no image this server accepts."""


class ImageReader:
    """Sizes and looks of images named by their data URL; safe to share between threads.

    Args:
        capacity: how many images are remembered (a look takes about 3 kB).
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._sizes = _Remembered[tuple[int, int]](capacity)
        self._looks = _Remembered[Look](capacity)

    def size(self, url: str) -> tuple[int, int]:
        """Width and height in pixels, from the header alone.

        Raises:
            UnreadableImageError: not a base64 PNG, JPEG or WebP, or too large.
        """
        return self._sizes.get(_digest(url), lambda: _open(url).size)

    def look(self, url: str) -> Look:
        """What is to be seen in the image.

        Raises:
            UnreadableImageError: as for :meth:`size`, or the data ends too early.
        """
        return self._looks.get(_digest(url), lambda: _look(url))


class _Remembered(Generic[Value]):
    """Least-recently-used cache."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._values: OrderedDict[bytes, Value] = OrderedDict()

    def get(self, key: bytes, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._capacity:
                self._values.popitem(last=False)
        return value


def _digest(url: str) -> bytes:
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _open(url: str) -> Image.Image:
    head = _DATA_URL.match(url)
    if head is None:
        raise UnreadableImageError(
            f"image URL starting {url[:32]!r} is not accepted; "
            "send a data:image/png|jpeg|webp;base64,... URL"
        )
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
        with warnings.catch_warnings():
            # Pillow warns about large images; the limit below is ours and stricter.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise UnreadableImageError(f"image data could not be read: {error}") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"image is too large: {error}") from error
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImageError(
            f"image of {image.width}x{image.height} pixels is too large; "
            f"send at most {MAX_PIXELS} pixels"
        )
    return image


def _look(url: str) -> Look:
    image = _open(url)
    try:
        image.draft("RGB", (160, 160))  # JPEG decodes at a fraction of its size, for less
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImageError(f"image data could not be read: {error}") from error
    return look_at(image)
