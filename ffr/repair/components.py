"""From the reward configuration to a scorer of its components, encoder and judge included."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ffr.config.rewards import RewardConfig
from ffr.judge.build import build_judge
from ffr.judge.judge import ModelJudge
from rewards.components.scorer import ComponentScorer
from rewards.video_r2.encoders import build_encoder

__all__ = ["RewardComponents", "build_components", "check_components"]


@dataclass
class RewardComponents:
    """A scorer and the judge behind it, which has to be closed at the end."""

    scorer: ComponentScorer
    judge: ModelJudge | None = None

    def metrics(self) -> Mapping[str, int]:
        """What the judge counted since the start; empty without a judge."""
        return {} if self.judge is None else self.judge.metrics()

    async def aclose(self) -> None:
        """Close the judge's connections."""
        if self.judge is not None:
            await self.judge.aclose()


def build_components(
    config: RewardConfig, *, judge_cache: Path | str | None = None
) -> RewardComponents | None:
    """The scorer of ``config.components``; ``None`` when there are none.

    Args:
        config: weights, gates, files.
        judge_cache: folder of the judge's remembered replies; ``config.judge.cache`` wins.

    Raises:
        UserError: unknown component, a package or key is missing, a file does not load.
    """
    if not config.components:
        return None
    encoder = build_encoder(config.encoder) if config.component("tar") else None
    judge = None
    if config.judge is not None:
        judge = build_judge(config.judge, cache=config.judge.cache or judge_cache)
    return RewardComponents(ComponentScorer(config, encoder=encoder, judge=judge), judge)


def check_components(config: RewardConfig) -> None:
    """Build the components once and let them go: what is missing is told before any step.

    Raises:
        UserError: see ``build_components``.
    """
    if (built := build_components(config)) is not None:
        asyncio.run(built.aclose())
