"""Validation errors as one readable line: the key, the value, what is allowed, the fix."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ffr.config.schema import RunConfig

__all__ = ["explain", "nearest_key", "valid_keys"]

_SHOWN = 3
Schema = dict[str, Any]
Location = tuple[str | int, ...]


def explain(
    error: ValidationError,
    source_of: Callable[[Location], str | None] = lambda _: None,
    model: type[BaseModel] = RunConfig,
) -> str:
    """One line for the first few problems of ``error``, and how many more there are.

    Args:
        error: what pydantic found wrong with a ``model``.
        source_of: names the file or override that set the value at a location.
        model: the configuration tree, for the keys and values it allows.
    """
    details = error.errors(include_url=False)
    # A wrong value is often the consequence of a misspelt key: those come first.
    details.sort(key=lambda d: d["type"] != "extra_forbidden")
    lines = [_one(model, detail, source_of(detail["loc"])) for detail in details[:_SHOWN]]
    more = len(details) - _SHOWN
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


@functools.cache
def valid_keys(model: type[BaseModel] = RunConfig) -> tuple[str, ...]:
    """Every key a configuration may hold, dotted, sections included."""
    root = _root(model)
    return tuple(_walk(root, root, ""))


def nearest_key(key: str, model: type[BaseModel] = RunConfig) -> str | None:
    """The valid dotted key most like ``key``: same name elsewhere, else similar spelling."""
    parent, _, leaf = key.rpartition(".")
    keys = valid_keys(model)
    same_name = [k for k in keys if k.rpartition(".")[2] == leaf]
    if same_name:
        return difflib.get_close_matches(key, same_name, n=1, cutoff=0.0)[0]
    siblings = {k.rpartition(".")[2]: k for k in keys if k.rpartition(".")[0] == parent}
    close = difflib.get_close_matches(leaf, siblings, n=1, cutoff=0.7)
    if close:
        return siblings[close[0]]
    anywhere = difflib.get_close_matches(key, keys, n=1, cutoff=0.75)
    return anywhere[0] if anywhere else None


def _one(model: type[BaseModel], detail: ErrorDetails, source: str | None) -> str:
    root = _root(model)
    location = detail["loc"]
    if detail["type"] == "missing" and location:
        if isinstance(location[-1], str):
            allowed = _allowed(root, _at(root, location))
            return f"{_dotted(location)} is not set; give {allowed or 'it'}"
        location = location[:-1]  # too short a list: speak of the whole list
    key = _dotted(location)
    where = f" (from {source})" if source and location else ""
    if detail["type"] == "extra_forbidden":
        near = nearest_key(key, model)
        hint = f"did you mean {near}?" if near else f"known here: {_siblings(root, location)}"
        return f"unknown key {key}{where}; {hint}"
    if detail["type"] == "value_error":  # our own validators already say everything
        prefix = f"{key}: " if key else ""
        return prefix + detail["msg"].removeprefix("Value error, ") + where
    allowed = _allowed(root, _at(root, location))
    rule = f"give {allowed}" if allowed else detail["msg"]
    default = _default(root, location)
    return f"{key}={_shown(detail['input'])} is not allowed{where}; {rule}{default}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else text[:77] + "..."


def _dotted(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _siblings(root: Schema, location: Location) -> str:
    parent = _at(root, location[:-1]) or root
    return ", ".join(parent.get("properties", {})) or "nothing"


def _default(root: Schema, location: Location) -> str:
    schema = _at(root, location) or {}
    plain = not isinstance(location[-1], int) and not schema.get("properties")
    return f" (default {_shown(schema['default'])})" if plain and "default" in schema else ""


@functools.cache
def _root(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _resolved(root: Schema, schema: Schema) -> Schema:
    """``schema`` with its reference and its ``null`` alternative folded in."""
    options = [o for o in schema.get("anyOf", []) if o.get("type") != "null"]
    if len(options) == 1:
        schema = {**_resolved(root, options[0]), "default": schema.get("default"), "nullable": True}
    if "$ref" in schema:
        target: Schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{k: v for k, v in schema.items() if k == "default"}}
    return schema


def _at(root: Schema, location: Location) -> Schema | None:
    """The JSON schema of the value at ``location``; ``None`` for keys it does not have."""
    schema = root
    for part in location:
        schema = _resolved(root, schema)
        if isinstance(part, int):
            prefix = schema.get("prefixItems", [])
            child = prefix[part] if part < len(prefix) else schema.get("items")
        else:
            child = schema.get("properties", {}).get(part)
        if not isinstance(child, dict):
            return None
        schema = child
    return _resolved(root, schema)


def _walk(root: Schema, schema: Schema, prefix: str) -> Iterator[str]:
    for name, child in schema.get("properties", {}).items():
        yield prefix + name
        yield from _walk(root, _resolved(root, child), f"{prefix}{name}.")


def _allowed(root: Schema, schema: Schema | None) -> str:
    """What a value of this schema may be, in words."""
    if schema is None:
        return ""
    words = _allowed_value(root, schema)
    return f"{words} or null" if words and schema.get("nullable") else words


def _allowed_value(root: Schema, schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(v) for v in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return {"integer": "an integer", "number": "a number"}[kind] + _bounds(schema)
    if kind == "array":
        prefix = schema.get("prefixItems")
        if prefix:
            each = _allowed_value(root, _resolved(root, prefix[0]))
            return f"a list of {len(prefix)} values, each {each}"
        each = _allowed_value(root, _resolved(root, schema.get("items", {})))
        return f"a list, each {each or 'any value'}"
    if kind == "object":
        keys = ", ".join(schema.get("properties", {}))
        return f"a section with keys among {keys}" if keys else "a section (key: value lines)"
    if kind == "string":
        pattern = f" matching {schema['pattern']}" if "pattern" in schema else ""
        return f"text{pattern} (in quotes when it looks like a number)"
    return {"boolean": "true or false"}.get(str(kind), "")


def _bounds(schema: Schema) -> str:
    signs = {
        "exclusiveMinimum": ">",
        "minimum": ">=",
        "exclusiveMaximum": "<",
        "maximum": "<=",
    }
    given = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return f" {' and '.join(given)}" if given else ""
