"""Configuration of the teacher, its tools, the leak gate and the patch store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ffr.config.base import Config, NonNegative, Positive

__all__ = ["LeakConfig", "StoreConfig", "TeacherConfig"]


class LeakConfig(Config):
    """The leak gate: rules in code, one retry with the reason (spec ffr §2.6)."""

    enabled: bool = True
    retries: Annotated[int, Field(ge=0, le=3)] = 1


class TeacherConfig(Config):
    """Who explains failures."""

    kind: Literal["openai", "demo", "replay", "none"] = "openai"
    """``openai``: any OpenAI-compatible endpoint; ``demo``: the same client against the local
    scripted server, started by the run; ``replay``: the store only; ``none``: plain GRPO."""
    base_url: str | None = None
    model: str = "gpt-4o"
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself is never stored."""
    temperature: NonNegative = 0.1
    max_output_tokens: Annotated[int, Field(ge=16)] = 2000
    see_gt: bool = True
    """Tell the teacher the gold answer (paper's best setting)."""
    tools: tuple[str, ...] = ("clip", "zoom", "timestamp")
    max_tool_rounds: Annotated[int, Field(ge=0, le=32)] = 3
    max_images: Annotated[int, Field(ge=1, le=64)] = 24
    """Most images tools may return to the teacher for one diagnosis."""
    first_view_frames: Annotated[int, Field(ge=1, le=64)] = 16
    first_view_max_pixels: Annotated[int, Field(ge=64)] = 128 * 28 * 28
    patch_max_frames: Annotated[int, Field(ge=0, le=16)] = 4
    patch_max_words: Annotated[int, Field(ge=1)] = 60
    call_timeout_s: Positive = 45.0
    """Wall time of one HTTP call, seconds."""
    deadline_s: Positive = 120.0
    """Wall time of one whole diagnosis, retries and tools included, seconds."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    concurrency: Annotated[int, Field(ge=1)] = 16
    breaker_failures: Annotated[int, Field(ge=1)] = 8
    """Consecutive failures that open the circuit breaker."""
    breaker_reset_s: Positive = 30.0
    max_calls: Annotated[int, Field(ge=1)] | None = None
    """Stop asking after this many diagnoses (budget)."""
    abort_failure_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Stop the run when more than this share of diagnoses failed (after 20)."""
    leak: LeakConfig = LeakConfig()


class StoreConfig(Config):
    """The patch store."""

    path: str | None = None
    """Folder of the store; ``None`` puts it into the run folder."""
    on_miss: Literal["live", "skip", "fail"] = "live"
    read: bool = True
    """Answer from the store when the same failure was diagnosed before."""
