"""What can go wrong with a media file.

No message names a folder: some of them end up in front of a model.
"""

from __future__ import annotations

from ffr.errors import UserError

__all__ = [
    "BackendMissingError",
    "FfmpegMissingError",
    "MediaError",
    "MediaNotAllowedError",
    "MediaNotFoundError",
    "MediaTimeoutError",
    "MediaWriteError",
    "UndecodableError",
]


class MediaError(UserError):
    """A media file cannot be used; the message says which, why and what to do."""


class MediaNotFoundError(MediaError):
    """There is no such file under the media root."""


class MediaNotAllowedError(MediaError):
    """The file exists but may not be read: outside the root, not a regular file, too large."""


class UndecodableError(MediaError):
    """The file is not video this project decodes, or it is damaged beyond use."""


class MediaTimeoutError(MediaError):
    """Reading took longer than the caller allows."""


class BackendMissingError(MediaError):
    """A reader that is not there: unknown by name, or its library is not installed."""


class FfmpegMissingError(BackendMissingError):
    """The ffmpeg program is not installed; the ffmpeg reader, remuxing and clip export need it."""


class MediaWriteError(MediaError):
    """A file could not be written: not allowed there, or ffmpeg failed."""
