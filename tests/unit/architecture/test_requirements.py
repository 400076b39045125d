"""The lock and pyproject.toml say the same."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "only NAME==VERSION: no paths, no addresses"
    return {canonicalize_name(package): version for package, version in pairs}


INSTALLED = ["train", "cpu", "data", "decord", "examples", "ffmpeg", "mcp", "serve", "dev"]


@pytest.mark.parametrize("group", ["dependencies", *INSTALLED])
def test_the_lock_satisfies_every_direct_dependency(group):
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] if group == "dependencies" else extras[group]
    locked = pins("cpu.lock")
    for requirement in map(Requirement, wanted):
        if requirement.name != "ffr":
            version = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement} but {version}"


def test_nothing_of_cuda_is_locked():
    assert not [name for name in pins("cpu.lock") if name.startswith(("nvidia", "cuda", "triton"))]
    assert "torchvision" not in pins("cpu.lock"), "its dependencies would change torch"
    assert pins("cpu-no-deps.txt") == {"torchvision": "0.28.0"}


def test_verl_is_pinned_exactly_and_the_entry_points_exist():
    assert "verl==0.9.1" in PROJECT["optional-dependencies"]["train"]
    for group in (PROJECT["scripts"], *PROJECT["entry-points"].values()):
        for target in group.values():
            module, _, name = target.partition(":")
            path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
            assert f"def {name}(" in path.read_text(), target
