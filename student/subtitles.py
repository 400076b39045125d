"""Subtitles of a video: the ``.srt`` file beside it, and what is said at a moment."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teacher_tools.media.errors import MediaNotAllowedError, UndecodableError

__all__ = ["Cue", "cue_at", "read_cues", "subtitle_file"]

_MAX_BYTES = 8 * 2**20
_TOLERANCE_S = 0.05  # a frame this close to a cue shows it (as released, spec video_r2 §2.3)


@dataclass(frozen=True)
class Cue:
    """A text shown from ``start_s`` to ``end_s``, seconds."""

    start_s: float
    end_s: float
    text: str


def subtitle_file(video: Path) -> Path | None:
    """``clip.srt`` beside ``clip.mp4``; ``None`` where there is none.

    Raises:
        MediaNotAllowedError: it is no regular file, or above 8 MiB.
    """
    path = video.with_suffix(".srt")
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
        raise MediaNotAllowedError(
            f"subtitles {path.name!r} are not a regular file of at most {_MAX_BYTES} bytes; "
            "replace or remove the file"
        )
    return path


def read_cues(path: Path) -> tuple[Cue, ...]:
    """All cues of an SRT file in UTF-8, by time, without markup; empty ones are left out.

    Raises:
        UndecodableError: the file cannot be read, or holds no cue.
    """
    import pysubs2

    try:
        # A byte-order mark is common; line breaks of any system are read alike.
        text = path.read_text(encoding="utf-8-sig")
        events = pysubs2.SSAFile.from_string(text, format_="srt").events
    except (OSError, UnicodeError, ValueError, pysubs2.Pysubs2Error) as error:
        raise UndecodableError(
            f"subtitles {path.name!r} cannot be read ({type(error).__name__}); give SRT in UTF-8, "
            "or remove the file"
        ) from error
    cues = [
        Cue(event.start / 1000, event.end / 1000, " ".join(event.plaintext.split()))
        for event in events
    ]
    cues = sorted((c for c in cues if c.text), key=lambda c: (c.start_s, c.end_s))
    if not cues:
        raise UndecodableError(
            f"subtitles {path.name!r} hold no cue; give an SRT file, or remove it"
        )
    return tuple(cues)


def cue_at(cues: Sequence[Cue], t_s: float) -> str:
    """What is shown at ``t_s`` seconds, cues that overlap joined by a line break; else ""."""
    return "\n".join(
        cue.text for cue in cues
        if cue.start_s - _TOLERANCE_S <= t_s <= cue.end_s + _TOLERANCE_S
    )  # fmt: skip
