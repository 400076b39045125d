"""Configuration of the RLER terms (spec rler §2-§3): the same for rewards and for the election."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ffr.config.base import Config, NonNegative, Positive

__all__ = ["EvidenceConfig"]


class EvidenceConfig(Config):
    """How citations, length and repetition of a response are read."""

    mode: Literal["default", "parity"] = "default"
    """``default``: the one parser and the errata's rulings; ``parity``: the paper's first-tag
    reading and its looser format."""
    citation: Literal["frames", "times"] = "frames"
    """``frames``: numbers of frames in a ``<keyframes>`` block behind the answer (the paper);
    ``times``: seconds in ``<keyframes>`` tags inside the reasoning (students of this project)."""
    frames_per_group: Annotated[int, Field(ge=1)] = 2
    """For ``times``: frames a Qwen-VL vision tower merges, so that times name groups."""
    index_base: Annotated[int, Field(ge=0, le=1)] = 1
    """Number of the first frame."""
    max_cited: Annotated[int, Field(ge=1)] | None = None
    """Valid citations beyond this many count as invalid (8 is a sensible cap); off in the paper."""
    length_unit: Literal["tokens", "words"] = "tokens"
    """What the length of the reasoning is counted in."""
    length_low: NonNegative = 0.0
    length_high: Positive = 768.0
    """Length from which transparency is 0 again. For models that write short reasoning set it to
    the 95th percentile of their lengths."""
    ngram: Annotated[int, Field(ge=1, le=16)] = 3

    @model_validator(mode="after")
    def _ordered(self) -> EvidenceConfig:
        if self.length_low >= self.length_high:
            raise ValueError(
                f"length_low={self.length_low:g} must be below length_high={self.length_high:g}"
            )
        return self
