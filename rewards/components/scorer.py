"""All configured components of one rollout, gated; what fails is missing and named, never 0."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ffr.config.rewards import ComponentConfig, RewardConfig
from ffr.config.rler import EvidenceConfig
from ffr.errors import UserError
from rewards.components.available import BUILT_IN, EVIDENCE, custom_components
from rewards.components.component import ComponentValue, RewardComponent
from rewards.components.context import RolloutContext
from rewards.components.evidence import EvidenceReading, evidence_component, read_evidence
from rewards.components.gates import GateValues, apply_gates
from rewards.components.temporal import LengthBonus, TemporalAlignment, TemporalContrast
from rewards.video_r2.encoders import SentenceEncoder
from rewards.video_r2.gate import GateVerdict, consistency_gate
from rewards.video_r2.judging import Judge

__all__ = ["ComponentScorer", "ComponentScores"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComponentScores:
    """The components of one rollout.

    Attributes:
        values: by name, gated but without weight; ``None``: missing.
        problems: why each missing one is, and what made the released code give 0.
        consistent: the consistency gate g (1, 0, ``None`` unknown), when it was asked.
        evidence: citations, length and repetition, when a component needs them.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    consistent: GateVerdict | None = None
    evidence: EvidenceReading | None = None


class ComponentScorer:
    """Scores rollouts by the components of a configuration; holds no state between rollouts.

    Args:
        config: which components.
        encoder: needed by ``tar``.
        judge: asked where rules are silent; ``None``: rules only.

    Raises:
        UserError: an unknown component, a file that does not load, or a missing encoder.
    """

    def __init__(
        self,
        config: RewardConfig,
        *,
        encoder: SentenceEncoder | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._config = config
        self._judge = judge
        self._components: dict[str, RewardComponent] = {}
        custom = custom_components(config.files)
        for entry in config.components:
            built = self._built_in(entry, encoder)
            component = built or custom.get(entry.name)
            if component is None and entry.name not in (*EVIDENCE, "inconsistency"):
                known = ", ".join(sorted((*BUILT_IN, *custom)))
                raise UserError(
                    f"reward.components: there is no component {entry.name!r}; known: {known}; "
                    "define your own in a file named under reward.files"
                )
            if component is not None:
                self._components[entry.name] = component

    @property
    def needs_shuffled(self) -> bool:
        """Whether answers to shuffled frames are needed."""
        return self._config.component("temporal_contrast") is not None

    async def score(self, rollouts: Sequence[RolloutContext]) -> list[ComponentScores]:
        """The components of each rollout, in order; several rollouts wait for a judge together."""
        return list(await asyncio.gather(*(self._score(rollout) for rollout in rollouts)))

    async def _score(self, rollout: RolloutContext) -> ComponentScores:
        values: dict[str, float | None] = {}
        problems: dict[str, str] = {}
        evidence: dict[str | None, EvidenceReading | None] = {}
        gates: dict[str, GateVerdict] = {}
        for entry in self._config.components:
            gate = None
            if entry.name == "inconsistency" or "consistency" in entry.gates:
                gate = await self._gate(rollout, entry, gates)
            if entry.name == "inconsistency":
                found = _inconsistency(rollout, gate)
            elif entry.name in EVIDENCE:
                if entry.mode not in evidence:
                    evidence[entry.mode] = read_evidence(rollout, self._evidence(entry))
                found = evidence_component(entry.name, evidence[entry.mode])
            else:
                found = await self._value(entry.name, rollout)
            value = apply_gates(found.value, entry.gates, _gate_values(rollout, gate))
            values[entry.name] = value
            if found.value is not None and value is None:
                problems[entry.name] = f"gate_{gate.reason if gate else 'unknown'}"
            elif value is None or found.problem:
                problems[entry.name] = found.problem or "not_available"
        return ComponentScores(
            values, problems, next(iter(gates.values()), None), next(iter(evidence.values()), None)
        )

    async def _value(self, name: str, rollout: RolloutContext) -> ComponentValue:
        try:
            found = await self._components[name].value(rollout)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd rollout must not end a long run
            _log.warning("reward component %s failed on %s", name, rollout.question.id,
                         exc_info=True)  # fmt: skip
            return ComponentValue(None, f"raised_{type(error).__name__}")
        if found.value is not None and not math.isfinite(found.value):
            return ComponentValue(None, "not_finite")
        return found

    async def _gate(
        self, rollout: RolloutContext, entry: ComponentConfig, known: dict[str, GateVerdict]
    ) -> GateVerdict:
        mode = entry.mode or self._config.consistency_mode
        if mode not in known:
            known[mode] = await consistency_gate(
                rollout.question.asked, rollout.text, self._judge, mode, parsed=rollout.parsed
            )
        return known[mode]

    def _evidence(self, entry: ComponentConfig) -> EvidenceConfig:
        section = self._config.evidence
        return section if entry.mode is None else section.model_copy(update={"mode": entry.mode})

    def _built_in(
        self, entry: ComponentConfig, encoder: SentenceEncoder | None
    ) -> RewardComponent | None:
        if entry.name == "tar":
            if encoder is None:
                raise UserError("the component 'tar' compares sentences; give it an encoder")
            section = self._config.tar
            if entry.mode is not None:
                section = section.model_copy(update={"mode": entry.mode})
            return RewardComponent("tar", TemporalAlignment(section, encoder, self._judge))
        if entry.name == "temporal_contrast":
            return RewardComponent(entry.name, TemporalContrast(self._config.tgrpo))
        if entry.name == "length_bonus":
            return RewardComponent(entry.name, LengthBonus(self._config.tgrpo))
        return None


def _gate_values(rollout: RolloutContext, gate: GateVerdict | None) -> GateValues:
    return GateValues(
        rollout.accuracy, rollout.right, rollout.format, gate.value if gate else None
    )


def _inconsistency(rollout: RolloutContext, gate: GateVerdict | None) -> ComponentValue:
    """``-(1 - g) accuracy``: what of the accuracy a contradicting reasoning puts in doubt."""
    if gate is None or gate.value is None:
        return ComponentValue(0.0)  # unknown takes nothing off (spec video_r2 §6.4)
    return ComponentValue(0.0 - (1.0 - gate.value) * rollout.accuracy)
