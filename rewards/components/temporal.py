"""Components of Video-R2 and T-GRPO: temporal alignment, shuffled-frame contrast, length."""

from __future__ import annotations

from ffr.config.video_r2 import TarConfig, TemporalContrastConfig
from ffr.data.question import ReferenceEvent
from rewards.components.component import ComponentValue
from rewards.components.context import RolloutContext
from rewards.tgrpo import counts_as_right, long_enough, temporal_contrast
from rewards.video_r2.encoders import SentenceEncoder
from rewards.video_r2.judging import Judge
from rewards.video_r2.response_tar import response_tar
from rewards.video_r2.sanitiser import second_key

__all__ = ["LengthBonus", "TemporalAlignment", "TemporalContrast"]


class TemporalAlignment:
    """``tar``: TAR in [0, 1] against the question's reference events, before any gate."""

    def __init__(self, config: TarConfig, encoder: SentenceEncoder, judge: Judge | None) -> None:
        self._config, self._encoder, self._judge = config, encoder, judge

    async def __call__(self, rollout: RolloutContext) -> ComponentValue:
        """Missing where the question has no events or the judge fails."""
        if rollout.axis is None:
            return ComponentValue(None, "no_time_axis")
        events = rollout.question.events
        if self._config.mode == "parity":
            grounding: object = {_key(event): event.text for event in events}
        else:
            grounding = [{"start": e.start_s, "end": e.end_s, "text": e.text} for e in events]
        tar, _ = await response_tar(
            rollout.text, rollout.parsed, grounding=grounding if events else None,
            duration_s=rollout.axis.duration_s, encoder=self._encoder, config=self._config,
            judge=self._judge,
        )
        return ComponentValue(tar.value, tar.missing or tar.problem)


def _key(event: ReferenceEvent) -> str:
    """The released records' key: whole seconds."""
    start, end = second_key(round(event.start_s)), second_key(round(event.end_s))
    return start if start == end else f"{start}-{end}"


class TemporalContrast:
    """``temporal_contrast``: 1 for a right rollout of a group that does better in order.

    The comparison is of the first pass; a repaired answer shares its verdict.
    """

    def __init__(self, config: TemporalContrastConfig) -> None:
        self._config = config

    def __call__(self, rollout: RolloutContext) -> ComponentValue:
        """Missing without answers to shuffled frames."""
        group = rollout.group
        granted = temporal_contrast(group.accuracies, group.shuffled, self._config).granted
        if granted is None:
            return ComponentValue(None, "no_shuffled_rollouts")
        return ComponentValue(float(granted and counts_as_right(rollout.accuracy, self._config)))


class LengthBonus:
    """``length_bonus``: 1 for a right rollout of the wanted length, when enough are right."""

    def __init__(self, config: TemporalContrastConfig) -> None:
        self._config = config

    def __call__(self, rollout: RolloutContext) -> float:
        """0 or 1; the length counts response tokens, end token included."""
        return float(long_enough(
            rollout.accuracy, rollout.tokens, rollout.group.accuracies, self._config
        ))  # fmt: skip
