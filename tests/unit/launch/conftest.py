"""Presets and the folders their scripts are rendered for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ffr.config.load import load_config
from ffr.launch.plan import Launcher, LaunchPlan, make_plan

ROOT = Path(__file__).parents[3]

Plan = Callable[..., LaunchPlan]


@pytest.fixture
def plan() -> Plan:
    def make(
        launcher: Launcher, *overrides: str, preset: str = "ffr_qwen3_vl_8b", folder: str = ""
    ) -> LaunchPlan:
        config = load_config([ROOT / "configs" / f"{preset}.yaml"], overrides)
        place = Path(folder or f"/shared/project/launches/{config.name}")
        return make_plan(config, launcher, folder=place, workdir=Path("/shared/project"))

    return make
