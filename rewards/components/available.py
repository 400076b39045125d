"""Which components there are: built in, of installed packages, and of Python files."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

from ffr.errors import UserError
from rewards.components.component import RewardComponent

__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "EVIDENCE", "custom_components"]

ENTRY_POINT_GROUP = "ffr.rewards"
EVIDENCE = ("frame_sensitive", "think_transparency", "anti_repetition")
BUILT_IN = ("tar", "inconsistency", *EVIDENCE, "temporal_contrast", "length_bonus")


def custom_components(files: Iterable[str]) -> dict[str, RewardComponent]:
    """Components of installed packages (group ``ffr.rewards``) and of Python files, by name.

    Raises:
        UserError: a file or an entry point does not load, or two components share a name; says
            where both come from.
    """
    found: dict[str, tuple[RewardComponent, str]] = {}
    for component, origin in _all(files):
        before = "built in" if component.name in BUILT_IN else None
        if component.name in found:
            before = found[component.name][1]
        if before is not None:
            raise UserError(
                f"two reward components are called {component.name!r}: one {before}, one {origin}; "
                "rename one with @reward_component(name=...)"
            )
        found[component.name] = (component, origin)
    return {name: component for name, (component, _) in found.items()}


def _all(files: Iterable[str]) -> Iterator[tuple[RewardComponent, str]]:
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        package = f"from package {entry.dist.name if entry.dist is not None else entry.value}"
        try:
            loaded = entry.load()
        except Exception as error:
            raise UserError(
                f"the reward component {entry.name!r} {package} does not load "
                f"({type(error).__name__}: {error}); mend or remove the package"
            ) from error
        if not isinstance(loaded, RewardComponent):
            raise UserError(
                f"{entry.value!r} {package} is no reward component; point the entry point at a "
                "function under @reward_component"
            )
        yield loaded, package
    for file in files:
        for component in _in_file(file):
            yield component, f"in file {file}"


def _in_file(file: str) -> list[RewardComponent]:
    path = Path(file).expanduser().absolute()
    name = f"ffr_rewards_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UserError(f"reward.files: {file!r} is not a Python file; give a path to a .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(
            f"reward.files: {file!r} does not load: {type(error).__name__}: {error}"
        ) from error
    found = [value for value in vars(module).values() if isinstance(value, RewardComponent)]
    if not found:
        raise UserError(
            f"reward.files: {file!r} defines no component; put @reward_component above a function"
        )
    return found
