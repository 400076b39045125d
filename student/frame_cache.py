"""Decode each video once: a byte-bounded cache in memory and, if wanted, one on disk.

G rollouts of a question, its repairs, the reference pass and later epochs all ask for the same
frames.  Safe for threads: of many concurrent asks for one video one decodes, the others wait.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import zipfile
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffr.config.student import FramesConfig
from ffr.patches.files import StoreError, shard_path, write_atomic
from student.frames import sample_video
from student.prompt_parts import VideoPart
from student.subtitles import subtitle_file
from student.time_axis import TimeAxis
from teacher_tools.media.access import content_id

__all__ = ["CacheCounts", "FrameCache", "frame_plan_id"]

_LOG = logging.getLogger(__name__)
_FORMAT = 1  # raise it when sampling, resizing or the overlay change
_Key = tuple[tuple[str, int, int], ...]


@dataclass
class CacheCounts:
    """What a cache did so far."""

    memory_hits: int = 0
    disk_hits: int = 0
    decoded: int = 0
    damaged_frames: int = 0
    """Frames that stand in for damaged ones."""
    disk_errors: int = 0
    """Entries on disk that could not be read or written; the video was decoded instead."""


def frame_plan_id(config: FramesConfig) -> str:
    """Short id of everything that decides a video's frames: equal id, equal pixels."""
    plan = config.model_dump(
        mode="json", include={"count", "max_pixels", "size_multiple", "exact_size", "clock_overlay"}
    )
    # Left out where unset: ids of caches made without them stay.
    if config.fps is not None:
        plan["fps"] = config.fps
    if config.clock_overlay and config.clock_format != "seconds":
        plan["clock_format"] = config.clock_format
    if config.subtitle_overlay:
        plan["subtitle_overlay"] = True
    text = json.dumps({"format": _FORMAT, **plan}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class FrameCache:
    """Sampled videos under one frame plan.

    Args:
        config: the frame plan.
        max_bytes: most bytes of pixels kept in memory; the least recently used go first.
        folder: also keep them here, keyed by file content and plan, for other processes and
            later runs; problems with it are counted and logged, never fatal.
    """

    def __init__(
        self, config: FramesConfig, *, max_bytes: int = 512 * 2**20, folder: Path | None = None
    ) -> None:
        self.config = config
        self.counts = CacheCounts()
        self._max_bytes = max_bytes
        self._folder = folder
        self._plan = frame_plan_id(config)
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, VideoPart] = OrderedDict()
        self._bytes = 0
        self._pending: dict[_Key, Future[VideoPart]] = {}

    def get(self, path: Path) -> VideoPart:
        """The sampled frames of ``path``; a changed file (size or time) is sampled anew.

        Subtitles that are burnt in count as part of the file.

        Raises:
            teacher_tools.media.errors.MediaError: the file cannot be read or decoded; the next
                ask tries again.
        """
        key: _Key = (_stamp(path),)
        if self.config.subtitle_overlay:
            key = (*key, _stamp(path.with_suffix(".srt")))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.counts.memory_hits += 1
                return self._kept[key]
            pending = self._pending.get(key)
            mine = pending is None
            if pending is None:
                pending = self._pending[key] = Future()
        if not mine:
            return pending.result()
        try:
            video = self._load(path)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            pending.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._keep(key, video)
        pending.set_result(video)
        return video

    def _keep(self, key: _Key, video: VideoPart) -> None:
        if video.frames.nbytes > self._max_bytes:
            return
        self._kept[key] = video
        self._bytes += video.frames.nbytes
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.frames.nbytes

    def _load(self, path: Path) -> VideoPart:
        entry = None
        if self._folder is not None:
            # The plan is part of the name: two plans share a folder without meeting.
            entry = shard_path(self._folder, self._content(path), f".{self._plan}.npz")
            video = self._read(entry)
            if video is not None:
                with self._lock:
                    self.counts.disk_hits += 1
                return video
        video = sample_video(path, self.config, on_damaged=self._count_damaged)
        with self._lock:
            self.counts.decoded += 1
        if entry is not None:
            self._write(entry, video)
        return video

    def _content(self, path: Path) -> str:
        video = content_id(path)
        subtitles = subtitle_file(path) if self.config.subtitle_overlay else None
        if subtitles is None:
            return video
        return hashlib.sha256(f"{video} {content_id(subtitles)}".encode()).hexdigest()

    def _count_damaged(self, frames: int) -> None:
        with self._lock:
            self.counts.damaged_frames += frames

    def _read(self, entry: Path) -> VideoPart | None:
        try:
            with np.load(entry, allow_pickle=False) as stored:
                frames, times, source = stored["frames"], stored["times_s"], stored["source"]
            most = self.config.count
            least = most if self.config.fps is None else 1
            if frames.dtype != np.uint8 or not least <= frames.shape[0] <= most:
                raise ValueError(f"unexpected frames {frames.dtype} {frames.shape}")
            axis = TimeAxis(tuple(times.tolist()), *source.tolist())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            self._disk_error("read", entry, error)
            return None
        frames.setflags(write=False)
        return VideoPart(frames, axis)

    def _write(self, entry: Path, video: VideoPart) -> None:
        buffer = io.BytesIO()
        axis = video.axis
        np.savez(
            buffer,
            frames=video.frames,
            times_s=np.array(axis.times_s),
            source=np.array([axis.source_fps, axis.duration_s]),
        )
        try:
            write_atomic(entry, buffer.getvalue())
        except StoreError as error:
            self._disk_error("write", entry, error)

    def _disk_error(self, action: str, entry: Path, error: Exception) -> None:
        with self._lock:
            self.counts.disk_errors += 1
            first = self.counts.disk_errors == 1
        _LOG.log(
            logging.WARNING if first else logging.DEBUG,
            "frame cache: cannot %s %s (%s); decoding instead", action, entry.name, error,
        )


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), -1, -1  # the reader will say what is wrong
    return str(path), status.st_size, status.st_mtime_ns
