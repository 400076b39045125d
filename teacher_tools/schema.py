"""From a parameter's annotation to the JSON schema a model is shown.

The result keeps to what OpenAI's strict mode accepts (every property required, nothing
additional, no defaults), which chat templates of transformers take as well.  What that subset
cannot say (text length, defaults) is said in the description and checked all the same.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, PydanticUserError, TypeAdapter

from ffr.geometry import check_box, check_seconds
from teacher_tools.errors import ToolDefinitionError

__all__ = ["MAX_TEXT_CHARS", "Box", "Schema", "Seconds", "complete", "in_words", "property_schema"]

Schema = dict[str, Any]

Seconds = Annotated[float, Field(ge=0), AfterValidator(check_seconds)]
"""A time in seconds from container start."""

_Unit = Annotated[float, Field(ge=0, le=1)]
Box = Annotated[tuple[_Unit, _Unit, _Unit, _Unit], AfterValidator(check_box)]
"""A normalised box ``(x0, y0, x1, y1)``, origin at the top left of the frame as displayed."""

MAX_TEXT_CHARS = 2_000
_KEPT_KEYS = (
    "type", "enum", "items", "minItems", "maxItems", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern",
)  # fmt: skip
_LOWER, _UPPER = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
_EXAMPLES = {
    "integer": "Annotated[int, Field(ge=1, le=16)]",
    "number": "Annotated[float, Field(ge=0, le=1)], or Seconds for a time",
    "array": "Annotated[list[Seconds], Field(max_length=8)]",
    "type": 'Seconds, Box, bool, str, Literal["a", "b"], or Annotated[int, Field(ge=1, le=16)]',
}


def complete(name: str, annotation: Any) -> Any:
    """Add what a plain annotation leaves open: ``*_s`` floats are seconds, 8.0 is an integer."""
    if name.endswith("_s"):
        if annotation is float:
            return Seconds
        if _is_union(annotation) and set(get_args(annotation)) == {float, type(None)}:
            return Seconds | None
    return (
        Annotated[annotation, BeforeValidator(_whole)] if _mentions_int(annotation) else annotation
    )


def property_schema(tool: str, name: str, annotation: Any) -> Schema:
    """JSON schema of one (completed) parameter, without its description.

    Raises:
        ToolDefinitionError: the type is not supported, or has no bounds.
    """
    try:
        raw = TypeAdapter(annotation).json_schema()
    except (PydanticUserError, NameError, TypeError) as error:
        raise _refused(tool, name, f"{annotation!r} is no type for JSON", "type") from error
    if raw.get("type") == "object" or "$defs" in raw:
        raise _refused(tool, name, "objects are not supported", "type")
    return _strict(tool, name, raw)


def in_words(schema: Schema) -> str:
    """What a schema allows, for an error message."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    or_null = " or null" if "null" in kinds else ""
    if "enum" in schema:
        values = ", ".join(repr(v) for v in schema["enum"] if v is not None)
        return f"one of {values}{or_null}"
    kind = next(k for k in kinds if k != "null")
    if kind == "array":
        low, high = schema.get("minItems", 0), schema["maxItems"]
        count = str(low) if low == high else f"{low} to {high}"
        return f"a list of {count} items, each {in_words(schema['items'])}{or_null}"
    if kind == "string":
        return f"a text of at most {MAX_TEXT_CHARS} characters{or_null}"
    noun = {"number": "a number", "integer": "a whole number", "boolean": "true or false"}[kind]
    if "minimum" in schema and "maximum" in schema:
        return f"{noun} from {schema['minimum']:g} to {schema['maximum']:g}{or_null}"
    signs = zip((*_LOWER, *_UPPER), (">=", ">", "<=", "<"), strict=True)
    bounds = " and ".join(f"{sign} {schema[key]:g}" for key, sign in signs if key in schema)
    return f"{noun} {bounds}".strip() + or_null


def _strict(tool: str, name: str, raw: Schema) -> Schema:
    nullable = False
    if "anyOf" in raw:
        members = [m for m in raw["anyOf"] if m.get("type") != "null"]
        nullable = len(members) < len(raw["anyOf"])
        if len(members) != 1:
            raise _refused(tool, name, "a choice between types is not supported", "type")
        raw = {**raw, **members[0]}
    if "const" in raw:
        raw = {**raw, "enum": [raw["const"]]}
    if "prefixItems" in raw:
        if any(item != raw["prefixItems"][0] for item in raw["prefixItems"]):
            raise _refused(tool, name, "a tuple must hold one type only", "array")
        raw = {**raw, "items": raw["prefixItems"][0]}
    if "format" in raw:  # paths and addresses first of all: models never name files
        problem = f"texts in the form of a {raw['format']} are not supported"
        raise _refused(tool, name, problem, "type")
    schema = {key: raw[key] for key in _KEPT_KEYS if key in raw}
    kind = schema.get("type")
    if kind == "array":
        if "items" not in schema or "maxItems" not in schema:
            raise _refused(tool, name, "a list needs an item type and a largest length", "array")
        schema["items"] = _strict(tool, name, schema["items"])
    elif kind not in ("number", "integer", "boolean", "string"):
        raise _refused(tool, name, "the type is not supported", "type")
    _check_bounds(tool, name, schema)
    if nullable:
        schema["type"] = [kind, "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _check_bounds(tool: str, name: str, schema: Schema) -> None:
    kind = schema["type"]
    if kind not in ("number", "integer") or "enum" in schema:
        return
    low = any(key in schema for key in _LOWER)
    high = any(key in schema for key in _UPPER)
    if not (low and (high or (kind == "number" and name.endswith("_s")))):
        raise _refused(tool, name, f"the {kind} has no bounds", kind)


def _refused(tool: str, name: str, problem: str, example: str) -> ToolDefinitionError:
    return ToolDefinitionError(
        f"tool {tool!r}, parameter {name!r}: {problem}; write for example "
        f"`{name}: {_EXAMPLES[example]}`"
    )


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _mentions_int(annotation: Any) -> bool:
    if annotation is int:
        return True
    if get_origin(annotation) is Annotated:
        return _mentions_int(get_args(annotation)[0])
    return _is_union(annotation) and any(_mentions_int(arg) for arg in get_args(annotation))
