"""Components of RLER: frame-sensitive, think-transparency, anti-repetition (spec rler §3)."""

from __future__ import annotations

from dataclasses import dataclass

from ffr.config.rler import EvidenceConfig
from ffr.geometry import Span
from rewards.components.component import ComponentValue
from rewards.components.context import RolloutContext
from rewards.rler.citations import CitationScale
from rewards.rler.reading import read_response
from rewards.rler.terms import evidence_terms

__all__ = ["EvidenceReading", "evidence_component", "read_evidence"]

NEAR_S = 0.5
"""How far outside a gold span a cited time may lie and still hit it, seconds (ours)."""


@dataclass(frozen=True)
class EvidenceReading:
    """What a rollout cites and how it reasons; the measures have no weights and gates yet.

    Attributes:
        cited: distinct units cited, ``|K|``.
        invalid: entries that name no unit, ``E``.
        units: units there are, ``N``.
        frame_sensitive: ``s_fs`` in [0, 1).
        transparency: ``tau`` in [0, 1].
        repetition: ``rho`` in [0, 1).
        length: of the reasoning, in the configured unit.
        precision: share of the cited units that lie within ``NEAR_S`` of a gold span; ``None``
            without citations or spans. A metric, never a reward.
    """

    cited: int
    invalid: int
    units: int
    frame_sensitive: float
    transparency: float
    repetition: float
    length: int
    precision: float | None = None


def read_evidence(rollout: RolloutContext, config: EvidenceConfig) -> EvidenceReading | None:
    """Read a rollout; ``None`` without the times of its frames.

    Raises:
        ValueError: lengths are in tokens and the rollout has no token counter.
    """
    if rollout.axis is None:
        return None
    scale = CitationScale.of_axis(rollout.axis, config)
    reading = read_response(rollout.text, scale, config)
    terms = evidence_terms(reading, config, rollout.count_tokens)
    times = [t for unit in reading.citations.units if (t := scale.time_of(unit)) is not None]
    return EvidenceReading(
        cited=len(reading.citations.units),
        invalid=reading.citations.invalid,
        units=scale.count,
        frame_sensitive=terms.frame_sensitive,
        transparency=terms.transparency,
        repetition=terms.repetition,
        length=terms.length,
        precision=_precision(times, rollout.question.gold_spans),
    )


def evidence_component(name: str, reading: EvidenceReading | None) -> ComponentValue:
    """The value of one of the three components; repetition is a penalty, so below 0."""
    if reading is None:
        return ComponentValue(None, "no_time_axis")
    return ComponentValue({
        "frame_sensitive": reading.frame_sensitive,
        "think_transparency": reading.transparency,
        "anti_repetition": 0.0 - reading.repetition,
    }[name])  # fmt: skip


def _precision(times_s: list[float], spans: tuple[Span, ...]) -> float | None:
    if not times_s or not spans:
        return None
    hits = sum(
        any(span.start_s - NEAR_S <= t <= span.end_s + NEAR_S for span in spans) for t in times_s
    )
    return hits / len(times_s)
