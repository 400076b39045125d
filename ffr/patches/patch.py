"""The evidence patch: what a teacher found, small enough to hand to a student.

Schema: spec ffr §3 (our proposal, after the paper's Fig. 2).  Pixels are not
inside: each frame names its image by the SHA-256 of the encoded bytes, which
live in a media store (``ffr.patches.media``).
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ffr.geometry import Box, Seconds

__all__ = ["ErrorType", "EvidencePatch", "NoPatch", "PatchFrame", "SpatialRegion"]

ErrorType = Literal["temporal", "spatial", "misconception"]
ShortText = Annotated[str, Field(max_length=400)]


class SpatialRegion(BaseModel):
    """A place worth looking at: ``box`` normalised, on the frame on screen at ``t_s``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    t_s: Seconds
    box: Box | None = None
    desc: ShortText = ""


class PatchFrame(BaseModel):
    """One image of the patch: a whole frame (``box is None``) or a crop, with its true time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    t_s: Seconds
    box: Box | None = None
    label: ShortText = ""
    image_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class EvidencePatch(BaseModel):
    """Minimal evidence that never gives the answer away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    error_types: tuple[ErrorType, ...] = Field(min_length=1)
    guidance: Annotated[str, Field(max_length=1000)]
    key_times_s: tuple[Seconds, ...] = ()
    temporal_markers: tuple[ShortText, ...] = ()
    spatial_regions: tuple[SpatialRegion, ...] = ()
    frames: tuple[PatchFrame, ...] = ()

    @property
    def patch_id(self) -> str:
        """SHA-256 of the canonical JSON form: equal content, equal id."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class NoPatch(BaseModel):
    """Why a diagnosis gave no patch; ``reason`` is a counter's name, ``detail`` is for people.

    The rollout it was asked for keeps its own, untaxed reward (spec ffr §1, our rule).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Literal[
        "teacher_off",
        "store_miss",
        "timeout",
        "deadline",
        "provider_error",
        "circuit_open",
        "budget_spent",
        "invalid_output",
        "leak",
        "blind_unknown",
        "tool_failure",
        "media_error",
        "over_budget",
        "empty_response",
        "no_annotation",
        "rejected",
    ]
    detail: str = ""
