"""Configuration of Video-R2's rewards and of the judge (spec video_r2 §6; our fixes §6.4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ffr.config.base import Config, NonNegative, Positive, Probability
from ffr.config.teacher import EnvironmentVariable

__all__ = [
    "EncoderConfig",
    "JudgeConfig",
    "TGrpoConfig",
    "TarConfig",
    "TemporalContrastConfig",
]


class EncoderConfig(Config):
    """Who compares sentences. Nothing is chosen silently: a missing package is an error."""

    kind: Literal["sentence_transformers", "lexical"] = "sentence_transformers"
    """``lexical`` compares stemmed words and is no substitute where wording varies."""
    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    """Name or folder, for ``sentence_transformers``."""
    threshold: Probability | None = None
    """Least cosine of a match; ``None`` is the declared one, which only known models have."""
    device: str = "cpu"


class TarConfig(Config):
    """Temporal Alignment Reward: default form (§6.4) or the released one (§6.2)."""

    mode: Literal["default", "parity"] = "default"
    tolerance_s: NonNegative = 2.0
    """Largest gap between a claim and an event, seconds. In parity both intervals are widened by
    it, so that the effective gap is twice this number, as released."""
    threshold: Probability | None = None
    """Least cosine of a claim and an event; ``None`` is the encoder's own declared threshold
    (``0.75`` belongs to all-MiniLM-L6-v2 alone)."""
    beta: Positive = 0.5
    """Of the F-score; below 1 precision counts more. Default mode only, as all that follows."""
    recall_cap: Annotated[int, Field(ge=1)] = 3
    """Events that earn full recall (K)."""
    min_matches: Annotated[int, Field(ge=1)] = 2
    """Fewer matches than this are scaled down, so that one safe timestamp cannot earn all."""
    max_claim_s: NonNegative = 10.0
    max_claim_share: Probability = 0.5
    """A claim longer than both ``max_claim_s`` and this share of the video matches nothing."""
    max_words: Annotated[int, Field(ge=1, le=64)] = 10
    """Claims and events are cut to this many words before they are compared."""
    claims: Literal["rules", "judge"] = "rules"
    """Who reads the claims out of the reasoning."""


class TemporalContrastConfig(Config):
    """T-GRPO's conditions: the shuffled-frame contrast and the length (spec video_r2 §7.4)."""

    margin: NonNegative = 1.0
    """μ: the bonus needs ordered accuracy ``p >= μ * p_shuffled``."""
    right_from: Probability = 0.5
    """Accuracy from which a rollout counts as right."""
    inclusive: bool = True
    """Whether an accuracy of exactly ``right_from`` is right."""
    binary: bool = True
    """Compare shares of right rollouts; False compares mean accuracies."""
    length_low: Annotated[int, Field(ge=0)] = 320
    length_high: Annotated[int, Field(ge=0)] = 512
    """Tokens, end token included; both ends count."""
    length_min_right: Annotated[int, Field(ge=1)] = 1
    """Right rollouts a group needs before any gets the length bonus."""

    @model_validator(mode="after")
    def _ordered(self) -> TemporalContrastConfig:
        if self.length_low > self.length_high:
            raise ValueError(
                f"length_low={self.length_low} must not exceed length_high={self.length_high}"
            )
        return self


class TGrpoConfig(TemporalContrastConfig):
    """T-GRPO whole: the conditions and what they earn."""

    bonus: NonNegative = 0.3
    length_bonus: NonNegative = 0.2

    @classmethod
    def parity(cls) -> TGrpoConfig:
        """The released code: μ = 0.8, mean raw accuracy, bonus above 0.1, two right for length."""
        return cls(margin=0.8, right_from=0.1, inclusive=False, binary=False, length_min_right=2)


class JudgeConfig(Config):
    """The text judge behind an OpenAI-compatible endpoint."""

    model: str
    """Name the endpoint knows; part of every cache key."""
    base_url: str | None = None
    api_key_env: EnvironmentVariable = "OPENAI_API_KEY"
    temperature: NonNegative | None = 0.0
    max_output_tokens: Annotated[int, Field(ge=16)] = 1024
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # noqa: S105
    call_timeout_s: Positive = 30.0
    """Wall time of one HTTP call, seconds."""
    deadline_s: Positive = 90.0
    """Wall time of one judgement, waiting and retries included, seconds."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Further attempts after a failed call."""
    reread: Annotated[int, Field(ge=0, le=3)] = 1
    """Further calls after a reply that cannot be read."""
    concurrency: Annotated[int, Field(ge=1)] = 16
    breaker_failures: Annotated[int, Field(ge=1)] = 8
    breaker_reset_s: Positive = 30.0
    max_chars: Annotated[int, Field(ge=1000)] = 40_000
    """A longer text is not sent; the judgement is unknown."""
    cache: str | None = None
    """Folder of remembered replies; may be shared between machines. ``None``: none are kept."""
