"""Configuration of the checks before step 0."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ffr.config.base import Config, Positive

__all__ = ["CheckGroup", "PreflightConfig"]

CheckGroup = Literal[
    "versions", "devices", "data", "teacher", "videos", "model", "tokens", "disk", "memory",
    "rollout",
]  # fmt: skip


class PreflightConfig(Config):
    """What ``ffr-train`` looks at before step 0, and ``ffr doctor CONFIG`` at any time."""

    skip: tuple[CheckGroup, ...] = ()
    """Checks to leave out; each is recorded as a warning."""
    videos: Annotated[int, Field(ge=1)] = 8
    """Videos of the training and test data that are decoded, drawn with the run's seed."""
    video_limit_s: Positive = 60.0
    """Longest look at one of them, seconds."""
    rollout_limit_s: Positive = 600.0
    """Longest time for reading the model and for the dry rollout together, seconds."""
    rollout_max_gb: Positive = 40.0
    """Larger students (weights as loaded, 10^9 bytes) are not loaded for the dry rollout."""
    rollout_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest response of the dry rollout, tokens (or ``student.max_response_tokens``)."""
    device_memory_gb: Positive | None = None
    """Memory of one GPU, 10^9 bytes; default: what is found here. For checks on another machine."""
    host_memory_gb: Positive | None = None
    """Memory of one node, 10^9 bytes; default: what is available here."""
