"""Configuration of the teacher, its tools, the leak gate and the patch store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ffr.config.base import Config, NonNegative, Positive

__all__ = [
    "BlindConfig",
    "EnvironmentVariable",
    "InProcessConfig",
    "LeakConfig",
    "StoreConfig",
    "TeacherConfig",
]


def _variable_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        # Not repeated: whoever misreads this key puts the secret itself here.
        raise ValueError(
            "is not the name of an environment variable; give a name such as OPENAI_API_KEY and "
            "put the key into that variable, never into a configuration"
        )
    return name


EnvironmentVariable = Annotated[str, AfterValidator(_variable_name)]
"""Name of the variable that holds a key."""


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())  # the workers may be elsewhere


class BlindConfig(Config):
    """The blind test: an independent text model that never sees the video (spec ffr §2.6 d)."""

    model: str
    """Name the endpoint knows."""
    base_url: str | None = None
    api_key_env: EnvironmentVariable = "OPENAI_API_KEY"
    samples: Annotated[int, Field(ge=1, le=64)] = 8
    """Answers with the patch, and as many without it; the latter once a question."""
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A patch leaks when the mean accuracy rises by this much."""
    on_unknown: Literal["pass", "refuse"] = "refuse"
    """What to do with a patch when too many calls failed for a verdict; counted either way."""
    temperature: NonNegative | None = 0.7
    max_output_tokens: Annotated[int, Field(ge=16)] = 512
    call_timeout_s: Positive = 30.0
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    concurrency: Annotated[int, Field(ge=1)] = 16


class LeakConfig(Config):
    """The leak gate: rules in code, one retry with the reason (spec ffr §2.6)."""

    enabled: bool = True
    retries: Annotated[int, Field(ge=0, le=3)] = 1
    blind: BlindConfig | None = None
    """The blind test after the rules; ``None``: rules only."""


class InProcessConfig(Config):
    """A vision-language model in this process, for ``kind: in_process``."""

    path: str
    """Folder of a Hugging Face checkpoint; nothing is ever downloaded."""
    device: str = "auto"
    """``auto``: CUDA if there is any, else the CPU; otherwise a torch device such as ``cuda:1``."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    max_prompt_tokens: Annotated[int, Field(ge=256)] = 65_536
    """Longer conversations are refused before they can exhaust the memory."""


class TeacherConfig(Config):
    """Who explains failures."""

    kind: Literal["openai", "in_process", "annotations", "demo", "replay", "none"] = "openai"
    """``openai``: any OpenAI-compatible endpoint; ``in_process``: a model in this process through
    transformers; ``annotations``: the gold evidence spans of the dataset's rows; ``demo``: the
    same client as ``openai`` against the local scripted server, started by the run; ``replay``:
    the store only; ``none``: plain GRPO."""
    base_url: str | None = None
    model: str = "gpt-4o"
    """Name the endpoint knows. Also part of the store's keys, for ``in_process`` too."""
    api_key_env: EnvironmentVariable = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself is never stored."""
    in_process: InProcessConfig | None = None
    tool_calling: Literal["native", "text"] = "native"
    """``text``: tools are described in the prompt and calls are read from the reply, for models or
    servers without native tool calling."""
    temperature: NonNegative | None = 0.1
    """``null`` is not sent, for endpoints that refuse it."""
    max_output_tokens: Annotated[int, Field(ge=16)] = 2000
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # noqa: S105
    """What the endpoint calls ``max_output_tokens``; newer hosted models take only the second."""
    see_gt: bool = True
    """Tell the teacher the gold answer (paper's best setting)."""
    tools: tuple[str, ...] = ("clip", "zoom", "timestamp")
    """Built in, from installed packages, or from ``tool_files``; ``ffr tools list`` shows them."""
    tool_files: tuple[Annotated[str, AfterValidator(_absolute)], ...] = ()
    """Python files that define more tools; relative paths are those of the folder one is in."""
    max_tool_rounds: Annotated[int, Field(ge=0, le=32)] = 3
    max_images: Annotated[int, Field(ge=1, le=64)] = 24
    """Most images tools may return to the teacher for one diagnosis."""
    max_tool_pixels: Annotated[int, Field(ge=4096)] = 24 * 2**20
    """Most pixels of these images together."""
    max_tool_seconds: Positive = 120.0
    """Wall time of all tool calls for one diagnosis, seconds."""
    first_view_frames: Annotated[int, Field(ge=1, le=64)] = 16
    first_view_max_pixels: Annotated[int, Field(ge=64)] = 128 * 28 * 28
    patch_max_frames: Annotated[int, Field(ge=0, le=16)] = 4
    patch_max_words: Annotated[int, Field(ge=1)] = 60
    """Most words of a patch's guidance."""
    patch_max_pixels: Annotated[int, Field(ge=4096)] | None = None
    """Most pixels of all images of a patch together; larger ones are scaled down."""
    patch_max_seconds: Positive | None = None
    """Most seconds of video a patch may point at (stretches, see ``ffr.patches.size``)."""
    call_timeout_s: Positive = 45.0
    """Wall time of one HTTP call, seconds."""
    deadline_s: Positive = 120.0
    """Wall time of one whole diagnosis, retries and tools included, seconds."""
    step_deadline_s: Positive | None = None
    """Longest anybody waits for a diagnosis, seconds: as ``deadline_s``, and waiting for a free
    place among ``concurrency`` counts too, so that a training step never waits longer."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    concurrency: Annotated[int, Field(ge=1)] = 16
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Prompt and reply tokens together."""
    breaker_failures: Annotated[int, Field(ge=1)] = 8
    """Consecutive failures that open the circuit breaker."""
    breaker_reset_s: Positive = 30.0
    max_calls: Annotated[int, Field(ge=1)] | None = None
    """Stop asking after this many diagnoses (budget)."""
    max_requests: Annotated[int, Field(ge=1)] | None = None
    """Stop asking after this many HTTP calls, retries included (budget)."""
    max_total_tokens: Annotated[int, Field(ge=1)] | None = None
    """Stop asking after this many prompt and reply tokens together (budget)."""
    max_cost: Positive | None = None
    """Stop asking after this much money, in the currency of the prices (budget)."""
    price_input: NonNegative | None = None
    """Price of a million prompt tokens. Prices are never guessed: without both, none is counted."""
    price_output: NonNegative | None = None
    """Price of a million reply tokens."""
    on_budget_spent: Literal["go_on", "stop"] = "go_on"
    """``go_on``: no more patches, which is plain GRPO; ``stop``: end the run."""
    abort_failure_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Stop the run when more than this share of diagnoses failed (after 20)."""
    leak: LeakConfig = LeakConfig()

    @model_validator(mode="after")
    def _consistent(self) -> TeacherConfig:
        if self.max_cost is not None and None in (self.price_input, self.price_output):
            raise ValueError(
                f"max_cost={self.max_cost:g} needs price_input and price_output (money for a "
                "million tokens), which are never guessed; set both"
            )
        if self.kind == "in_process" and (
            self.in_process is None or "model" not in self.model_fields_set
        ):
            raise ValueError(
                "kind=in_process needs in_process.path (a checkpoint folder) and model (its name, "
                "which patches in the store are known by); set both"
            )
        paced = self.requests_per_minute is not None or self.tokens_per_minute is not None
        if paced and self.kind == "in_process":
            raise ValueError(
                "requests_per_minute and tokens_per_minute are for endpoints and mean nothing "
                "with kind=in_process; remove them"
            )
        return self


class StoreConfig(Config):
    """The patch store."""

    path: str | None = None
    """Folder of the store; ``None`` puts it into the run folder."""
    on_miss: Literal["live", "skip", "fail"] = "live"
    read: bool = True
    """Answer from the store when the same failure was diagnosed before."""
    local_cache: str | None = None
    """Folder on this node's own disk for images read from a store on shared storage."""
    local_cache_gb: Positive = 20.0
    """Size at which the least recently used images leave ``local_cache``, 10^9 bytes."""
