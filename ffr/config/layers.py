"""Configuration as layers: files from left to right, then dotted overrides; later wins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffr.config.yaml_io import parse_yaml
from ffr.errors import UserError

__all__ = ["Layer", "file_layers", "merge", "override_layer", "source_of"]

Tree = dict[str, Any]
_KEY = re.compile(r"^[A-Za-z_][\w-]*$")


@dataclass(frozen=True)
class Layer:
    """One source of settings: ``source`` is what an error message calls it."""

    source: str
    data: Tree


def file_layers(path: Path, ancestors: tuple[Path, ...] = ()) -> list[Layer]:
    """Layers of one file: what it ``extends`` first, then its own keys.

    ``extends`` is a path or a list of paths, relative to the file that names them.

    Raises:
        UserError: unreadable file, bad YAML, a top level that is no mapping, files that extend
            each other in a circle.
    """
    resolved = path.resolve()
    if resolved in ancestors:
        circle = " -> ".join(p.name for p in (*ancestors, resolved))
        raise UserError(f"{path}: files extend each other in a circle ({circle}); break it")
    data = _read(path)
    layers: list[Layer] = []
    for parent in _parents(path, data.pop("extends", [])):
        layers += file_layers(parent, (*ancestors, resolved))
    return [*layers, Layer(str(path), data)]


def override_layer(override: str) -> Layer:
    """The layer of one ``a.b=value``; the value is a YAML scalar, list or mapping.

    Below ``verl`` a name may begin with ``+``: it adds a key to verl's tree.

    Raises:
        UserError: no ``=``, a malformed key, a value that is not YAML.
    """
    key, equals, text = override.partition("=")
    parts = key.split(".")
    names = [part.removeprefix("+") if parts[0] == "verl" else part for part in parts]
    if not equals or not all(_KEY.match(name) for name in names):
        raise UserError(
            f"override {override!r} is not KEY=VALUE; write for example grpo.lr=1e-5 "
            "(dots between names, no spaces, + only below verl)"
        )
    try:
        value = parse_yaml(text)
    except UserError as error:
        raise UserError(f"override {override!r}: {error}") from error
    for part in reversed(parts):
        value = {part: value}
    return Layer(f"override {override!r}", value)


def merge(layers: Sequence[Layer]) -> Tree:
    """Merge left to right: mappings key by key, everything else (``null`` too) is replaced."""
    merged: Tree = {}
    for layer in layers:
        merged = _merge_two(merged, layer.data)
    return merged


def source_of(layers: Sequence[Layer], location: Sequence[str | int]) -> str | None:
    """Which layer set the value at ``location``; ``None`` when it is a default."""
    keys = [key for key in location if isinstance(key, str)]
    for layer in reversed(layers):
        node: Any = layer.data
        for key in keys:
            if not isinstance(node, dict) or key not in node:
                break
            node = node[key]
        else:
            return layer.source
    return None


def _read(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = _suggest_file(path)
        raise UserError(f"configuration file {path} does not exist{hint}") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder; give a YAML file inside it") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    try:
        data = parse_yaml(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(f"{path}: the top level is {_kind(data)}; write `key: value` lines")
    return data


def _parents(path: Path, extends: Any) -> list[Path]:
    names = [extends] if isinstance(extends, str) else extends
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise UserError(
            f"{path}: extends={extends!r} is not allowed; give a file name or a list of file names"
        )
    return [path.parent / name for name in names]


def _merge_two(base: Mapping[str, Any], top: Mapping[str, Any]) -> Tree:
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge_two(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _suggest_file(path: Path) -> str:
    others = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"; in {path.parent} there are: {', '.join(others)}" if others else "; check the path"
