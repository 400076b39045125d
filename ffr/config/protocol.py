"""A protocol of evaluation as a file: everything about *how* a question is asked and scored.

What is evaluated (model, data) and on which machine are no part of it, so that two models under one
protocol can be compared, and two protocols are told apart by their content.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ffr.config.base import Config, NonNegative, Positive
from ffr.config.elect import (
    BudgetConfig,
    ElectConfig,
    OutlierConfig,
    RefereeConfig,
    ViewsConfig,
    VoteConfig,
)
from ffr.config.rler import EvidenceConfig
from ffr.config.student import FramesConfig, PromptConfig, StudentConfig
from ffr.config.video_r2 import JudgeConfig

__all__ = [
    "ElectionSection", "EvalProtocol", "FramesSection", "PromptSection", "SamplingSection",
]  # fmt: skip

_MULTIPLE = 28


class FramesSection(Config):
    """Which frames a model gets, and at what size."""

    count: Annotated[int, Field(ge=1, le=768)] = 16
    """Frames per video, uniform: the middle of each of ``count`` equal slots."""
    fps: Annotated[float, Field(gt=0, le=60)] | None = None
    """Frames per second of video instead, at least one and at most ``count`` of them."""
    max_pixels: Annotated[int, Field(ge=64)] = 256 * 28 * 28
    """Upper bound of height x width of one frame, in pixels."""
    exact_size: tuple[int, int] | None = None
    """Force (height, width) instead, in pixels."""
    size_multiple: Annotated[int, Field(ge=1)] | None = None
    """Frame sides are multiples of this; ``None``: of the checkpoint's own grid (28 behind an
    endpoint)."""
    clock: bool = False
    """Burn each frame's time into the frame."""
    clock_format: Literal["seconds", "hms"] = "seconds"
    """``4.7 s``, or Video-R2's ``00:00:04``."""
    subtitles: bool = False
    """Burn in what is said, from ``clip.srt`` beside ``clip.mp4``."""


class PromptSection(Config):
    """Wording of the prompt."""

    style: Literal["think_answer", "compact"] = "think_answer"
    ask_keyframes: bool = False
    """Ask for the times relied on, inside ``<keyframes>`` tags."""
    instruction: str | None = None
    """Own words behind the question and its options, instead of the style's."""
    system: str = ""


class SamplingSection(Config):
    """How a response is sampled; temperature 0 is greedy."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 1024
    seed: int = 0
    """Each question's own random stream follows from this and the question's id."""


class ElectionSection(Config):
    """An election instead of one response (``ffr.elect``); its ``views`` say how it samples."""

    evidence: EvidenceConfig = EvidenceConfig(length_unit="words", length_high=576.0)
    confidence_span: Literal["answer", "response"] = "answer"
    long_video_s: Positive = 300.0
    long_video_frames: Annotated[int, Field(ge=1, le=768)] | None = None
    """Frames of videos longer than ``long_video_s``; ``None``: as many as of others."""
    views: ViewsConfig = ViewsConfig()
    budget: BudgetConfig = BudgetConfig()
    outliers: OutlierConfig = OutlierConfig()
    vote: VoteConfig = VoteConfig()
    referee: RefereeConfig = RefereeConfig()


class EvalProtocol(Config):
    """One way to evaluate."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    description: str = ""
    frames: FramesSection = FramesSection()
    prompt: PromptSection = PromptSection()
    thinking: bool = True
    """Off: the answer is asked for without reasoning, and read without it."""
    sampling: SamplingSection = SamplingSection()
    max_prompt_tokens: Annotated[int, Field(ge=16)] | None = None
    """A longer prompt is a failed item; only a checkpoint's prompts can be measured."""
    scoring: Literal["default", "parity", "video_r2_parity"] = "default"
    """Our scorers, or the released ones of FFR or Video-R2."""
    election: ElectionSection | None = None
    """``None``: one response a question."""
    metrics: tuple[str, ...] = ("tac", "citations")
    """Further metrics by name; no part of the protocol's hash, as they change no answer."""
    citation_tolerance_s: NonNegative = 2.0
    """A cited time this far from a reference event still hits it, seconds."""
    judge: JudgeConfig | None = None
    """Text judge of metrics that can use one; without it the rules decide alone."""

    @model_validator(mode="after")
    def _consistent(self) -> EvalProtocol:
        if not self.thinking and self.prompt.ask_keyframes:
            raise ValueError(
                "prompt.ask_keyframes=true needs thinking=true: times are cited inside the "
                "reasoning; switch one of them"
            )
        if not self.thinking and self.election is not None:
            raise ValueError(
                "election with thinking=false is not allowed: votes are weighed by their "
                "reasoning; leave election out"
            )
        if len(set(self.metrics)) != len(self.metrics):
            raise ValueError(f"metrics={list(self.metrics)} repeats a name; list each once")
        return self

    def student_prompt(self) -> PromptConfig:
        """The wording as the prompt renderer takes it."""
        style = self.prompt.style if self.thinking else "direct"
        return PromptConfig(**{**self.prompt.model_dump(), "style": style})

    def student_frames(self, size_multiple: int | None = None) -> FramesConfig:
        """The frames as the sampler takes them.

        Args:
            size_multiple: of the model's grid; the protocol's own wins.
        """
        given = self.frames
        return FramesConfig(
            count=given.count, fps=given.fps, max_pixels=given.max_pixels,
            exact_size=given.exact_size, clock_overlay=given.clock,
            clock_format=given.clock_format, subtitle_overlay=given.subtitles,
            size_multiple=given.size_multiple or size_multiple or _MULTIPLE,
        )  # fmt: skip

    def elect_config(
        self, size_multiple: int | None = None, student: StudentConfig | None = None
    ) -> ElectConfig:
        """The election as ``ffr.elect`` takes it; without an election one greedy pass."""
        frames = self.student_frames(size_multiple)
        section = self.election or ElectionSection()
        given = section.model_dump(exclude={"long_video_frames"})
        return ElectConfig.model_validate(
            given
            | {
                "seed": self.sampling.seed, "mode": "elect" if self.election else "single",
                "frames": frames, "prompt": self.student_prompt(), "student": student,
                "long_video_frames": section.long_video_frames or frames.count,
            }
        )  # fmt: skip
