"""Readers by name: ``pyav`` (default), ``ffmpeg`` and ``decord``.

All keep the ``FrameReader`` protocol and pass the same contract tests; only ``pyav`` is right on
every file of the torture matrix (``python benchmarks/torture.py --backend NAME``).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, get_args

from teacher_tools.media.errors import BackendMissingError
from teacher_tools.media.source import MAX_PIXELS
from teacher_tools.media.types import OpenReader

__all__ = ["BACKENDS", "Backend", "open_reader"]

Backend = Literal["pyav", "ffmpeg", "decord"]
BACKENDS: Final[tuple[str, ...]] = get_args(Backend)

_READERS: Mapping[str, str] = {  # imported when asked for
    "pyav": "reader.VideoReader",
    "ffmpeg": "ffmpeg_reader.FfmpegReader",
    "decord": "decord_reader.DecordReader",
}


def open_reader(
    path: Path,
    backend: str = "pyav",
    *,
    max_pixels: int = MAX_PIXELS,
    timeout_s: float = 60.0,
) -> OpenReader:
    """Open a video file with the reader of a name.

    Args:
        path: a file, already checked by ``resolve_media`` when its name is not trusted.
        backend: one of ``BACKENDS``.
        max_pixels: most pixels of a frame, displayed; larger videos are refused undecoded.
        timeout_s: wall time of opening, and of each ``frames_at`` call, in seconds.

    Raises:
        BackendMissingError: no backend of this name, or what it needs is not installed.
        MediaError: the file cannot be read.
    """
    if backend not in _READERS:
        raise BackendMissingError(f"backend={backend!r} is unknown; give one of {list(BACKENDS)}")
    module, _, name = _READERS[backend].partition(".")
    reader = getattr(importlib.import_module(f"teacher_tools.media.{module}"), name)
    opened: OpenReader = reader.open(path, max_pixels=max_pixels, timeout_s=timeout_s)
    return opened
