"""Configuration of ``ffr elect`` (spec rler §5): each step has its section and its switch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ffr.config.base import Config, NonNegative, Positive, Probability
from ffr.config.rler import EvidenceConfig
from ffr.config.student import FramesConfig, PromptConfig, StudentConfig

__all__ = [
    "BudgetConfig", "ElectConfig", "EndpointConfig", "OutlierConfig", "RefereeConfig",
    "ServeConfig", "ViewsConfig", "VoteConfig",
]  # fmt: skip

Temperature = Annotated[float, Field(ge=0, le=2)]


class ViewsConfig(Config):
    """How candidates differ: temperature, crop, brightness.

    Never flips or reversals: they would change what left, right, before and after mean.
    """

    diverse: bool = True
    """Off: one candidate, the first view."""
    temperatures: Annotated[tuple[Temperature, ...], Field(min_length=1)] = (0.2, 0.7, 0.9)
    """Taken in turn."""
    crops: bool = True
    crop_scale: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    """Side of a crop, as a share of the frame's."""
    brightness: bool = True
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_new_tokens: Annotated[int, Field(ge=1)] = 1024


class BudgetConfig(Config):
    """How many candidates, and when enough is enough."""

    first: Annotated[int, Field(ge=1)] = 3
    """Valid candidates before the first test; the first batch has as many."""
    step: Annotated[int, Field(ge=1)] = 1
    """Candidates of each later batch."""
    most: Annotated[int, Field(ge=1, le=64)] = 8
    """Candidates in all, invalid ones included."""
    early_stop: bool = True
    """Off: always ``most`` candidates, in one batch."""
    margin: Probability = 0.08
    """Stop when the winner's share leads by more than this ..."""
    confidence: Probability = 0.4
    """... and mean confidence is above this."""
    confidence_scope: Literal["all", "leader"] = "all"
    """Mean over the retained candidates, or over the leader's supporters."""

    @model_validator(mode="after")
    def _ordered(self) -> BudgetConfig:
        if self.first > self.most:
            raise ValueError(f"first={self.first} must be at most most={self.most}")
        return self


class OutlierConfig(Config):
    """Removal of candidates whose evidence score is far from the rest."""

    enabled: bool = True
    side: Literal["low", "both"] = "low"
    """``both`` (the paper's reading) can also drop the one strong candidate."""
    z: Positive = 2.5
    floor: Positive = 0.05
    """Least robust spread; keeps a tight field from dropping anyone."""
    at_least: Annotated[int, Field(ge=2)] = 4
    """Valid candidates from which the rule works; at most a quarter is dropped."""


class VoteConfig(Config):
    """What a vote weighs."""

    weights: Literal["evidence", "confidence", "uniform"] = "evidence"
    """``uniform`` is a majority vote, ``confidence`` weighs by confidence alone; both without
    agreement."""
    agreement: NonNegative = 0.5
    """lambda: how much shared citations strengthen the supporters of an answer; 0 turns it off."""


class RefereeConfig(Config):
    """One check whether the cited frames support the winner."""

    when: Literal["always", "contested", "off"] = "always"
    """``contested``: only if there are two answers or more."""
    by: Literal["model", "rule"] = "model"
    """``model``: the same model looks at the cited frames; ``rule``: mean citation score."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    keep: Probability = 0.5
    """kappa: share of its votes a winner keeps when the referee gives 0."""
    max_frames: Annotated[int, Field(ge=1, le=64)] = 8
    max_new_tokens: Annotated[int, Field(ge=8)] = 64


class EndpointConfig(Config):
    """An OpenAI-compatible server: an API, vLLM, SGLang, llama.cpp, verl's rollout server."""

    base_url: str | None = None
    """For example http://localhost:8000/v1."""
    model: str = "default"
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself is never stored."""
    timeout_s: Positive = 120.0
    """Wall time of one call, seconds."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 64
    """Calls under way at once."""
    logprobs: bool = False
    """Ask for log-probabilities, the confidence of a model that reports none."""


class ServeConfig(Config):
    """Limits of ``ffr elect serve``."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8377
    """0 takes a free one."""
    api_key_env: str = "FFR_ELECT_KEY"
    """Environment variable with the key clients must send; required when ``host`` is not this
    machine's own."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 2**20
    max_requests: Annotated[int, Field(ge=1)] = 256
    """Elections under way at once; further requests get status 429."""
    max_images: Annotated[int, Field(ge=0)] = 256
    """Images of one request."""
    max_image_pixels: Annotated[int, Field(ge=64)] = 16_000_000
    deadline_s: Positive = 600.0
    """Wall time of one election, seconds."""
    reply: Literal["answer", "full"] = "answer"
    """What clients get: the answer alone, or the best supporter's whole text."""


class ElectConfig(Config):
    """One election, or many of the same kind."""

    seed: int = 0
    mode: Literal["elect", "single"] = "elect"
    """``single``: one greedy pass on the first view, no election."""
    evidence: EvidenceConfig = EvidenceConfig(length_unit="words", length_high=576.0)
    """As in training. Endpoints give no tokenizer, so lengths are in words here: 576 words are
    about 768 tokens."""
    frames: FramesConfig = FramesConfig(count=32, max_pixels=256 * 28 * 28)
    long_video_s: Positive = 300.0
    """Videos longer than this, in seconds, are sampled with ``long_video_frames`` frames."""
    long_video_frames: Annotated[int, Field(ge=1, le=768)] = 128
    confidence_span: Literal["answer", "response"] = "answer"
    """Whose tokens' log-probabilities are the confidence of a model that reports none.
    ``response`` (ours) suits students whose answer merely repeats their reasoning."""
    prompt: PromptConfig = PromptConfig(ask_keyframes=True)
    """Wording when ``evidence.citation`` is ``times``."""
    views: ViewsConfig = ViewsConfig()
    budget: BudgetConfig = BudgetConfig()
    outliers: OutlierConfig = OutlierConfig()
    vote: VoteConfig = VoteConfig()
    referee: RefereeConfig = RefereeConfig()
    endpoint: EndpointConfig = EndpointConfig()
    student: StudentConfig | None = None
    """A checkpoint run in this process instead of an endpoint; its ``frames`` and ``prompt`` are
    not read, those of this section are."""
    device: str = "cpu"
    """For ``student``: a torch device."""
    questions_at_once: Annotated[int, Field(ge=1)] = 16
    """Questions of a data set under way at once."""
    serve: ServeConfig = ServeConfig()

    @model_validator(mode="after")
    def _consistent(self) -> ElectConfig:
        if self.evidence.length_unit == "tokens" and self.student is None:
            raise ValueError(
                "evidence.length_unit=tokens needs a student of this process; set it to words "
                "for an endpoint"
            )
        return self

    @property
    def most_candidates(self) -> int:
        """Most candidates of one question under these settings."""
        if self.mode == "single" or not self.views.diverse:
            return 1
        return self.budget.most
