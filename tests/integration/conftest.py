"""Real video files whose every frame shows its number (``benchmarks/torture_files``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
os.environ.setdefault("SVT_LOG", "1")  # its encoder is talkative

from torture_files import CodedVideo, Recipe, encode, read_code


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], CodedVideo]:
    """Encodes recipes, each only once."""
    made: dict[str, CodedVideo] = {}

    def make(recipe: Recipe) -> CodedVideo:
        key = repr(recipe)
        if key not in made:
            made[key] = encode(recipe, tmp_path_factory.mktemp("video") / recipe.name)
        return made[key]

    return make


@pytest.fixture(scope="session")
def recipe() -> type[Recipe]:
    """The recipe's class."""
    return Recipe


@pytest.fixture(scope="session")
def plain_video(make_video: Callable[[Recipe], CodedVideo]) -> CodedVideo:
    """Five seconds of H.264 with B-frames at 25 frames a second, a keyframe every 24."""
    return make_video(Recipe(pts=range(125)))


@pytest.fixture(scope="session")
def code_of() -> Callable[..., int]:
    """Reads a frame's number."""
    return read_code
