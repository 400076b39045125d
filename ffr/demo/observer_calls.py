"""Writes tool calls by the schemas the request carries, never by knowledge of the tools' code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ToolRequest", "ToolSpec", "compose", "read_tools"]

_UNSET = object()


@dataclass(frozen=True)
class ToolRequest:
    """A call the observer wants made."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class ToolSpec:
    """One function tool as offered: JSON schema of each parameter, and which are required."""

    name: str
    properties: Mapping[str, Any]
    required: frozenset[str]

    def most(self, parameter: str, otherwise: int) -> int:
        """Largest whole number the schema allows for ``parameter``, if it names one."""
        _, high = _bounds(self.properties.get(parameter))
        return otherwise if math.isinf(high) else int(high)


def read_tools(tools: Sequence[Mapping[str, Any]]) -> dict[str, ToolSpec]:
    """Offered tools by name, from validated ``tools`` entries (see ``ffr.demo.server_wire``)."""
    specs: dict[str, ToolSpec] = {}
    for tool in tools:
        function = tool["function"]
        parameters = function.get("parameters") or {}
        properties = parameters.get("properties")
        required = parameters.get("required")
        names = required if isinstance(required, list) else []
        specs[function["name"]] = ToolSpec(
            name=function["name"],
            properties=properties if isinstance(properties, dict) else {},
            required=frozenset(name for name in names if isinstance(name, str)),
        )
    return specs


def compose(spec: ToolSpec, **wanted: Any) -> ToolRequest | None:
    """A call with as many of the ``wanted`` arguments as the schema knows.

    Numbers are brought into the schema's bounds; a value outside an ``enum`` is left out.

    Returns:
        ``None`` when a required parameter can be filled neither from ``wanted``, nor from
        its default, nor from its ``enum``, nor left ``null``.
    """
    arguments: dict[str, Any] = {}
    for name, schema in spec.properties.items():
        value = _fit(schema, wanted[name]) if name in wanted else _UNSET
        if value is _UNSET and name in spec.required:
            value = _fallback(schema)
            if value is _UNSET:
                return None
        if value is not _UNSET:
            arguments[name] = value
    if spec.required - arguments.keys():
        return None
    return ToolRequest(name=spec.name, arguments=arguments)


def _branches(schema: Any) -> list[Mapping[str, Any]]:
    """The schema and the alternatives of an ``anyOf``/``oneOf`` (optional parameters)."""
    if not isinstance(schema, dict):
        return []
    found: list[Mapping[str, Any]] = [schema]
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list):
            found += [option for option in options if isinstance(option, dict)]
    return found


def _bounds(schema: Any) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    for branch in _branches(schema):
        for key, value in branch.items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                continue
            if key == "minimum":
                low = max(low, value)
            elif key == "maximum":
                high = min(high, value)
    return low, high


def _fit(schema: Any, value: Any) -> Any:
    for branch in _branches(schema):
        choices = branch.get("enum")
        if isinstance(choices, list) and value not in choices:
            return _UNSET
    if isinstance(value, int | float):
        low, high = _bounds(schema)
        fitted = min(max(value, low), high)
        return int(fitted) if isinstance(value, int) else float(fitted)
    return value


def _fallback(schema: Any) -> Any:
    for branch in _branches(schema):
        if "default" in branch:
            return branch["default"]
        choices = branch.get("enum")
        if isinstance(choices, list) and choices:
            return choices[0]
        if branch.get("type") == "null" or "null" in _as_list(branch.get("type")):
            return None
    return _UNSET


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
