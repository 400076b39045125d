"""Configuration of what the student is and what it sees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ffr.config.base import Config

__all__ = ["FramesConfig", "PromptConfig", "StudentConfig", "TinyModelConfig"]


class FramesConfig(Config):
    """How frames are sampled from a video (one policy for SFT, RL and evaluation)."""

    count: Annotated[int, Field(ge=1, le=768)] = 16
    """Frames per video, uniform: the middle of each of ``count`` equal slots."""
    fps: Annotated[float, Field(gt=0, le=60)] | None = None
    """Frames per second of video instead, at least one and at most ``count`` of them."""
    max_pixels: Annotated[int, Field(ge=64)] = 128 * 28 * 28
    """Upper bound of height x width of one frame, in pixels (paper: 128*28*28)."""
    size_multiple: Annotated[int, Field(ge=1)] = 28
    """Frame sides are rounded to this multiple: patch size x spatial merge of the model."""
    exact_size: tuple[int, int] | None = None
    """Force (height, width) instead, in pixels."""
    patch_max_pixels: Annotated[int, Field(ge=64)] = 128 * 28 * 28
    """Upper bound of one evidence image in a patch, in pixels."""
    patch_exact_size: tuple[int, int] | None = None
    """Force (height, width) of evidence images, in pixels."""
    clock_overlay: bool = False
    """Burn each frame's time into the frame (the same in SFT, RL and evaluation)."""
    clock_format: Literal["seconds", "hms"] = "seconds"
    """``4.7 s``, or Video-R2's ``00:00:04`` (rounded down, digits 14 to 18 pixels high)."""
    subtitle_overlay: bool = False
    """Burn in what is said: ``clip.srt`` beside ``clip.mp4``; videos without one stay as they
    are (the same in SFT, RL and evaluation)."""


class PromptConfig(Config):
    """Wording of the student prompt."""

    style: Literal["think_answer", "compact", "direct"] = "think_answer"
    """``compact`` spends few tokens: for tiny models; ``think_answer`` is the field's usual one;
    ``direct`` asks for the answer alone and is for evaluation only."""
    instruction: str | None = None
    """Own words behind the question and its options, instead of the style's."""
    ask_keyframes: bool = False
    """Ask for the times relied on, inside ``<keyframes>`` tags."""
    patch_render: Literal["structured_visual", "structured", "content_only"] = "structured_visual"
    """What of a patch the student sees (spec ffr §3): text and images, text, or guidance alone."""
    system: str = ""


class TinyModelConfig(Config):
    """Shape of a tiny random-initialised student, for machines without a GPU."""

    family: Literal["qwen3_vl", "qwen2_5_vl"] = "qwen3_vl"
    hidden_size: Annotated[int, Field(ge=64)] = 128
    layers: Annotated[int, Field(ge=1)] = 3
    heads: Annotated[int, Field(ge=1)] = 4
    vision_hidden_size: Annotated[int, Field(ge=32)] = 64
    vision_layers: Annotated[int, Field(ge=1)] = 2
    seed: int = 0


class StudentConfig(Config):
    """The trained model."""

    path: str | None = None
    """Folder of a Hugging Face checkpoint; exactly one of ``path`` and ``tiny`` is set."""
    tiny: TinyModelConfig | None = None
    frames: FramesConfig = FramesConfig()
    prompt: PromptConfig = PromptConfig()
    max_prompt_tokens: Annotated[int, Field(ge=16)] = 4096
    max_response_tokens: Annotated[int, Field(ge=1)] = 1024
    temperature: Annotated[float, Field(gt=0, le=5)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    attention: Literal["sdpa", "flash_attention_2", "eager"] = "sdpa"
