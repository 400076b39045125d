"""One time axis for everything that speaks of *when* in a sampled video.

The sampler makes it, and the prompt, the overlay, the processor's metadata, the
observability gate and the evaluation read it: no second notion of time exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

__all__ = ["TimeAxis", "VideoMetadataDict"]

_CLOCK_HZ = 1000


class VideoMetadataDict(TypedDict):
    """Video metadata in the form Hugging Face processors, verl and vLLM take.

    Times are what ``frames_indices[i] / fps`` says, in seconds.
    """

    total_num_frames: int
    fps: float
    duration: float
    frames_indices: list[int]
    video_backend: str


@dataclass(frozen=True)
class TimeAxis:
    """True times of the sampled frames.

    Attributes:
        times_s: seconds from container start of each sampled frame (its pts, not the wish).
        source_fps: average frame rate of the source, frames per second.
        duration_s: length of the source in seconds.
    """

    times_s: tuple[float, ...]
    source_fps: float
    duration_s: float

    def __post_init__(self) -> None:
        if not self.times_s:
            raise ValueError("times_s is empty; sample at least one frame")
        if any(b < a for a, b in zip(self.times_s, self.times_s[1:], strict=False)):
            raise ValueError(f"times_s={self.times_s} must not decrease; sort the frames by time")
        if self.source_fps <= 0:
            raise ValueError(f"source_fps={self.source_fps} must be positive")

    @property
    def frame_indices(self) -> tuple[int, ...]:
        """Indices into the source such that ``index / source_fps`` is the frame's time."""
        return tuple(round(t * self.source_fps) for t in self.times_s)

    @property
    def sampled_fps(self) -> float:
        """Mean rate of the sampled frames, frames per second."""
        if len(self.times_s) < 2 or self.times_s[-1] <= self.times_s[0]:
            return 1.0 / max(self.duration_s, 1e-6)
        return (len(self.times_s) - 1) / (self.times_s[-1] - self.times_s[0])

    def video_metadata(self) -> VideoMetadataDict:
        """A fresh metadata record that carries the true times to the millisecond.

        Processors know times only as ``index / fps``.  Counting in milliseconds instead of source
        frames keeps them true for variable frame rates too.  Processors may extend the list of
        indices in place, so every call makes a new one.
        """
        indices = [round(t * _CLOCK_HZ) for t in self.times_s]
        return VideoMetadataDict(
            total_num_frames=max(round(self.duration_s * _CLOCK_HZ), indices[-1] + 1),
            fps=float(_CLOCK_HZ),
            duration=self.duration_s,
            frames_indices=indices,
            video_backend="pyav",
        )

    def group_times_s(self, frames_per_group: int = 2) -> tuple[float, ...]:
        """Mean time of each group of frames merged by the vision tower (last frame repeats)."""
        times = list(self.times_s)
        while len(times) % frames_per_group:
            times.append(times[-1])
        return tuple(
            sum(times[i : i + frames_per_group]) / frames_per_group
            for i in range(0, len(times), frames_per_group)
        )
