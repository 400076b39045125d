"""Safe, frame-exact access to video files.

``resolve_media`` turns an untrusted name into a path, ``VideoReader`` gives frames by time,
``content_id`` names a file by its bytes.
"""

from __future__ import annotations

from teacher_tools.media.access import content_id, resolve_media
from teacher_tools.media.errors import (
    MediaError,
    MediaNotAllowedError,
    MediaNotFoundError,
    MediaTimeoutError,
    UndecodableError,
)
from teacher_tools.media.reader import VideoReader
from teacher_tools.media.types import DecodedFrame, FrameReader, SeekMode, VideoInfo

__all__ = [
    "DecodedFrame",
    "FrameReader",
    "MediaError",
    "MediaNotAllowedError",
    "MediaNotFoundError",
    "MediaTimeoutError",
    "SeekMode",
    "UndecodableError",
    "VideoInfo",
    "VideoReader",
    "content_id",
    "resolve_media",
]
