"""Configuration of the reward: the Robust Improvement Reward and the components added to it.

The base is spec ffr §5. ``components`` adds terms of Video-R2 (spec video_r2 §6), RLER (spec rler
§3), T-GRPO (spec video_r2 §7.4) and of the user, each with a weight and gates (ours)::

    reward:
      components:
        - {name: tar, weight: 1.0, gates: [consistency]}
        - {name: frame_sensitive, weight: 0.2, gates: [accuracy, format]}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ffr.config.base import Config, NonNegative
from ffr.config.rler import EvidenceConfig
from ffr.config.video_r2 import EncoderConfig, JudgeConfig, TarConfig, TemporalContrastConfig

__all__ = ["ComponentConfig", "GateName", "RewardConfig"]

GateName = Literal["accuracy", "right", "format", "consistency"]
"""What a component is multiplied by: the accuracy in [0, 1], the verdict (0 or 1), the format
reward, or the consistency gate g (0 or 1; unknown leaves the component out)."""


class ComponentConfig(Config):
    """One term beside accuracy and format."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """``tar``, ``inconsistency``, ``frame_sensitive``, ``think_transparency``,
    ``anti_repetition``, ``temporal_contrast``, ``length_bonus``, or one from ``files`` or from an
    installed package."""
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """Factor of the component's value; what is meant as a penalty has values below 0 already."""
    gates: tuple[GateName, ...] = ()
    """All of them multiply the value."""
    mode: Literal["default", "parity"] | None = None
    """Wins over the mode of the section the component reads; ``None``: that one counts."""


class RewardConfig(Config):
    """Robust Improvement Reward (spec ffr §5) and its further components."""

    mode: Literal["default", "parity", "video_r2_parity"] = "default"
    """Of accuracy and format. ``parity`` keeps the scorers of FFR's official code,
    ``video_r2_parity`` those of Video-R2's, which infer the type of a question from its gold
    answer; ``default`` carries our fixes."""
    kappa: NonNegative = 0.3
    lambda_dep: NonNegative = 0.0
    """Weight of the dependency-alignment term, for right repaired answers only (ours)."""
    accuracy_weight: NonNegative = 1.0
    format_weight: NonNegative = 1.0
    format_rule: Literal["think_answer", "evidence"] = "think_answer"
    """``evidence``: RLER's format, with citations as ``evidence.citation`` says (spec rler §3.3);
    ``mode`` says nothing about it."""
    components: tuple[ComponentConfig, ...] = ()
    files: tuple[str, ...] = ()
    """Python files that define components of your own; their code runs."""
    tar: TarConfig = TarConfig()
    """For ``tar``."""
    consistency_mode: Literal["default", "parity"] = "default"
    """Of the consistency gate: rules first, or always the judge as released."""
    encoder: EncoderConfig = EncoderConfig()
    """For ``tar``."""
    judge: JudgeConfig | None = None
    """Asked where rules are silent; ``None``: rules only."""
    evidence: EvidenceConfig = EvidenceConfig(citation="times")
    """For ``frame_sensitive``, ``think_transparency``, ``anti_repetition`` and the ``evidence``
    format. Students of this project cite times inside their reasoning."""
    tgrpo: TemporalContrastConfig = TemporalContrastConfig()
    """For ``temporal_contrast`` and ``length_bonus`` (0.3 and 0.2 are the published weights)."""
    shuffled_rollouts: Annotated[int, Field(ge=1)] | None = None
    """For ``temporal_contrast``: answers on shuffled frames per question; ``None``: half of the
    group, as released."""

    @model_validator(mode="after")
    def _components_make_sense(self) -> RewardConfig:
        names = [component.name for component in self.components]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"reward.components names {twice} more than once; list each once")
        reserved = sorted({"accuracy", "format", "dependency", "tax", "total"} & set(names))
        if reserved:
            raise ValueError(
                f"reward.components: {reserved} are terms of the base reward; set "
                "accuracy_weight, format_weight, lambda_dep or kappa instead"
            )
        wanted = self._needs_judge()
        if wanted and self.judge is None:
            raise ValueError(f"{wanted} needs a judge; set reward.judge, or the default mode")
        return self

    def _needs_judge(self) -> str:
        for component in self.components:
            if component.name == "tar" and self.tar.claims == "judge":
                return "reward.tar.claims=judge"
            uses_gate = "consistency" in component.gates or component.name == "inconsistency"
            mode = component.mode or self.consistency_mode
            if uses_gate and mode == "parity":
                return f"the released consistency gate of {component.name!r}"
        return ""

    def component(self, name: str) -> ComponentConfig | None:
        """The entry of a component, or ``None`` when it is off."""
        return next((c for c in self.components if c.name == name), None)
