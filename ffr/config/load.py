"""From files and overrides to a checked configuration tree, and back to YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ffr.config.base import Config
from ffr.config.explain import explain
from ffr.config.layers import file_layers, merge, override_layer, source_of
from ffr.config.schema import RunConfig
from ffr.config.yaml_io import to_yaml
from ffr.errors import UserError

__all__ = ["dump_config", "load_as", "load_config"]

Tree = TypeVar("Tree", bound=Config)


def load_config(paths: Sequence[Path], overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration of ``ffr-train``; see ``load_as``."""
    return load_as(RunConfig, paths, overrides)


def load_as(model: type[Tree], paths: Sequence[Path], overrides: Sequence[str] = ()) -> Tree:
    """Layer YAML files left to right, then the overrides, and validate the result as ``model``.

    A file may name others in a top-level ``extends`` (relative to itself); they come before it.
    An override is ``a.b=value`` with a YAML value. Below ``verl`` every key is accepted here and
    checked by verl's own configuration classes. Values are not converted: ``"8"`` is no integer.

    Raises:
        UserError: anything wrong, in one line that names the key, the value, what is allowed and
            where it came from.
    """
    layers = [layer for path in paths for layer in file_layers(path)]
    layers += [override_layer(override) for override in overrides]
    try:
        text = json.dumps(merge(layers), allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the configuration contains itself ({error}); remove the alias") from error
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(explain(error, lambda loc: source_of(layers, loc), model)) from error


def dump_config(config: Config) -> str:
    """The whole configuration as YAML; loading it gives an equal one back."""
    return to_yaml(config.model_dump(mode="json"))
