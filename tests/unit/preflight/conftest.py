"""Shapes of known models, as read from their configurations, and runs to estimate."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ffr.config.load import load_config
from ffr.config.schema import RunConfig
from ffr.preflight.shape import ModelShape

ROOT = Path(__file__).parents[3]
QWEN25_7B = ModelShape(
    name="qwen2_5_vl", parameters=8_292_166_656, vision=676_550_144, embedding=544_997_376,
    adapter=3_239_040, vision_adapter=715_904, tied=False, vocabulary=152_064, layers=28,
    hidden=3584, intermediate=18_944, query=3584, key_value=512, heads=28, vision_layers=32,
    vision_hidden=1280, vision_intermediate=3420, merge=2, visual_token_values=4704,
    max_positions=128_000,
)  # fmt: skip
QWEN3_4B = ModelShape(
    name="qwen3_vl", parameters=4_437_815_808, vision=415_347_712, embedding=388_956_160,
    adapter=2_516_992, vision_adapter=452_608, tied=True, vocabulary=151_936, layers=36,
    hidden=2560, intermediate=9728, query=4096, key_value=1024, heads=32, vision_layers=24,
    vision_hidden=1024, vision_intermediate=4096, merge=2, visual_token_values=6144,
    max_positions=262_144,
)  # fmt: skip

Load = Callable[..., RunConfig]


@pytest.fixture
def seven() -> ModelShape:
    return QWEN25_7B


@pytest.fixture
def four() -> ModelShape:
    return QWEN3_4B


@pytest.fixture
def preset() -> Load:
    def load(name: str, *overrides: str) -> RunConfig:
        return load_config([ROOT / "configs" / f"{name}.yaml"], overrides)

    return load
