"""One look at one video: is it there, does it decode, how long is it, what does it show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ffr.data.fingerprint import HASHING, frame_hash, sample_times
from teacher_tools.media import (
    MediaError,
    MediaNotAllowedError,
    MediaNotFoundError,
    MediaTimeoutError,
    VideoReader,
    content_id,
    resolve_media,
)

__all__ = ["Probe", "ProbeJob", "probe_video"]

_PIXELS = 256 * 256
_BEFORE_END_S = 0.05

Problem = Literal[
    "media_missing", "media_refused", "media_undecodable", "media_damaged", "media_timeout",
    "media_crash",
]  # fmt: skip


class ProbeJob(BaseModel):
    """What to look at.

    Attributes:
        video: name below ``root``.
        root: the media root.
        frames: frames to decode, spread over the video, besides the first and the last.
        hashes: also hash those frames.
        identity: also hash the file's bytes.
        timeout_s: wall time of opening and of decoding, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: str
    root: str
    frames: int = Field(ge=1, le=256)
    hashes: bool = False
    identity: bool = False
    timeout_s: float = Field(gt=0)


class Probe(BaseModel):
    """What was found; also a line of the journal, so that no video is looked at twice.

    Attributes:
        size: bytes of the file; with ``mtime_ns`` it tells whether the file is still the same.
        problem: kind of bad row, ``None`` when the video is good.
        detail: about the problem, with the fix.
        hashes: of the frames with enough contrast.
        hashed: how they were hashed (``fingerprint.HASHING``); empty when they were not.
        content: SHA-256 of the bytes, when asked for.
        frames: how many frames were asked for, for the journal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video: str
    size: int = -1
    mtime_ns: int = -1
    problem: Problem | None = None
    detail: str = ""
    duration_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    frames: int = 0
    hashes: tuple[str, ...] = ()
    hashed: str = ""
    content: str | None = None


def probe_video(raw: dict[str, Any]) -> dict[str, Any]:
    """Do a ``ProbeJob``; gives a ``Probe``. Runs in a process that may be killed."""
    job = ProbeJob.model_validate(raw)
    return _probe(job).model_dump(mode="json")


def _probe(job: ProbeJob) -> Probe:
    found: dict[str, Any] = {"video": job.video, "frames": job.frames}
    try:
        path = resolve_media(job.video, Path(job.root))
        status = path.stat()
        found |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        if job.identity:
            found["content"] = content_id(path)
        with VideoReader.open(path, timeout_s=job.timeout_s) as reader:
            found |= _look(reader, job)
    except MediaNotFoundError as error:
        return _bad(found, "media_missing", error)
    except MediaNotAllowedError as error:
        return _bad(found, "media_refused", error)
    except MediaTimeoutError as error:
        return _bad(found, "media_timeout", error)
    except (MediaError, OSError) as error:
        return _bad(found, "media_undecodable", error)
    return Probe(**found)


def _look(reader: VideoReader, job: ProbeJob) -> dict[str, Any]:
    duration = reader.duration_s
    middle = sample_times(duration, job.frames)
    times = [0.0, *middle, max(0.0, duration - _BEFORE_END_S)]
    frames = reader.frames_at(times, max_frame_pixels=_PIXELS)
    found: dict[str, Any] = {"duration_s": duration}
    if job.hashes:
        hashes = [frame_hash(frame.image) for frame in frames[1:-1]]
        found |= {"hashes": tuple(h for h in hashes if h), "hashed": HASHING}
    broken = [t for t, frame in zip(times, frames, strict=True) if not frame.intact]
    if broken:
        at = ", ".join(f"{t:.1f}" for t in broken[:3])
        found |= {
            "problem": "media_damaged",
            "detail": f"{len(broken)} of {len(frames)} frames looked at are damaged (at {at} s of "
            f"{duration:.1f} s); fetch or encode the file again",
        }
    return found


def _bad(found: dict[str, Any], problem: Problem, error: Exception) -> Probe:
    return Probe(**found, problem=problem, detail=str(error))
