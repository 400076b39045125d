"""The fuzzing benchmark's parts, and a runner whose workers know what no model may hear of."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from teacher_tools import ToolRunner

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="session")
def hostile() -> ModuleType:
    """benchmarks/hostile.py, with what it imports from beside it."""
    for name in ("hostile_arguments", "hostile_checks", "hostile_media", "hostile"):
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules["hostile"]


@pytest.fixture(scope="session")
def runner(hostile: Any) -> Iterator[ToolRunner]:
    """The built-in tools; enough time for a busy machine."""
    name, value = hostile.CANARY
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        with ToolRunner(hostile.short_tools(20.0), workers=1, environment=[name]) as runner:
            yield runner


@pytest.fixture
def bait(hostile: Any, tmp_path: Path) -> Iterator[Any]:
    """Files beside the media folder that nothing may open."""
    bait = hostile.bait_in(tmp_path)
    yield bait
    assert bait.opened() == []
    bait.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty media folder."""
    (tmp_path / "media").mkdir()
    return tmp_path / "media"


@pytest.fixture(scope="session")
def sound(hostile: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good video of two seconds."""
    path: Path = hostile.good_videos(tmp_path_factory.mktemp("sound"), ["plain.mp4"])[0]
    return path
