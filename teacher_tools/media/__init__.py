"""Safe, frame-exact access to video files.

``resolve_media`` turns an untrusted name into a path, ``VideoReader`` gives frames by time
(``open_reader`` does so with other libraries), ``content_id`` names a file by its bytes.
"""

from __future__ import annotations

from teacher_tools.media.access import content_id, resolve_media
from teacher_tools.media.backends import BACKENDS, Backend, open_reader
from teacher_tools.media.errors import (
    BackendMissingError,
    FfmpegMissingError,
    MediaError,
    MediaNotAllowedError,
    MediaNotFoundError,
    MediaTimeoutError,
    UndecodableError,
)
from teacher_tools.media.reader import VideoReader
from teacher_tools.media.types import DecodedFrame, FrameReader, OpenReader, SeekMode, VideoInfo

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendMissingError",
    "DecodedFrame",
    "FfmpegMissingError",
    "FrameReader",
    "MediaError",
    "MediaNotAllowedError",
    "MediaNotFoundError",
    "MediaTimeoutError",
    "OpenReader",
    "SeekMode",
    "UndecodableError",
    "VideoInfo",
    "VideoReader",
    "content_id",
    "open_reader",
    "resolve_media",
]
