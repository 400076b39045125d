"""A tool's parameters: what a model is told, and the check of what it sends."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from teacher_tools.errors import ToolDefinitionError, ToolError, safe_text
from teacher_tools.schema import MAX_TEXT_CHARS, Schema, complete, in_words, property_schema

__all__ = ["Parameter", "Parameters"]

_MAX_ARGUMENT_CHARS = 16_384
_CONFIG = ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False, str_max_length=MAX_TEXT_CHARS
)


@dataclass(frozen=True)
class Parameter:
    """One parameter as declared; ``default`` is ``...`` when there is none."""

    name: str
    annotation: Any
    description: str
    default: Any = ...

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not ...


class Parameters:
    """All parameters of one tool.

    Attributes:
        names: in the order declared.
        json_schema: an object schema in OpenAI's strict form.

    Raises:
        ToolDefinitionError: a type without bounds or not fit for JSON, or a default that its own
            type refuses; names the parameter and shows a line that works.
    """

    def __init__(self, tool: str, parameters: tuple[Parameter, ...]) -> None:
        self.names = tuple(parameter.name for parameter in parameters)
        self._defaults = {p.name: p.default for p in parameters if p.has_default}
        properties: Schema = {}
        fields: dict[str, Any] = {}
        for parameter in parameters:
            annotation = complete(parameter.name, parameter.annotation)
            schema = property_schema(tool, parameter.name, annotation)
            description = parameter.description
            if parameter.has_default:
                _check_default(tool, parameter, annotation, schema)
                description = f"{description} Default: {_shown(parameter.default)}."
            properties[parameter.name] = {"description": description, **schema}
            fields[parameter.name] = (
                NotRequired[annotation] if parameter.has_default else annotation
            )
        self.json_schema: Schema = {
            "type": "object",
            "properties": properties,
            "required": list(self.names),
            "additionalProperties": False,
        }
        make: Any = TypedDict  # built at run time, which type checkers cannot follow
        shape = with_config(_CONFIG)(make(f"{tool}_arguments", fields))
        self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(shape)

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """Check arguments as a model sent them, and fill in defaults.

        Raises:
            ToolError: not a JSON object, or an argument that is unknown, missing, of the wrong
                type or out of range; the text says which, and what is allowed.
        """
        if len(arguments_json) > _MAX_ARGUMENT_CHARS:
            raise ToolError(
                f"the arguments have {len(arguments_json)} characters; at most "
                f"{_MAX_ARGUMENT_CHARS} are read, send short values"
            )
        try:
            given = self._adapter.validate_json(arguments_json or "{}")
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            raise ToolError("; ".join(self._explain(d) for d in details[:3])) from None
        return {
            name: given[name] if name in given else copy.deepcopy(self._defaults[name])
            for name in self.names
        }

    def _explain(self, detail: ErrorDetails) -> str:
        kind, where = detail["type"], detail["loc"]
        message = detail["msg"].removeprefix("Value error, ")
        names = ", ".join(self.names) or "none"
        if kind == "json_invalid":
            return f"the arguments are not valid JSON ({safe_text(message, 120)}); send one object"
        if not where:
            return f"the arguments must be one JSON object; its keys are: {names}"
        name = str(where[0])
        if kind == "extra_forbidden":
            return f"unknown argument {safe_text(name, 60)!r}; allowed: {names}"
        allowed = in_words(self.json_schema["properties"][name])
        if kind == "missing" and len(where) == 1:
            return f"argument {name!r} is missing; give {allowed}"
        if kind == "value_error":
            return safe_text(message, 300)
        inner = () if kind == "missing" else where[1:]
        place = name + "".join(f"[{part}]" for part in inner if isinstance(part, int))
        value = safe_text(repr(detail["input"]), 80)
        return f"{place}={value} is not allowed; {name} is {allowed}"


def _check_default(tool: str, parameter: Parameter, annotation: Any, schema: Schema) -> None:
    try:
        TypeAdapter(annotation).validate_python(parameter.default)
    except ValidationError:
        raise ToolDefinitionError(
            f"tool {tool!r}, parameter {parameter.name!r}: the default {parameter.default!r} is "
            f"not allowed by its own type; write `{parameter.name}: ... = VALUE` with "
            f"{in_words(schema)}"
        ) from None


def _shown(value: object) -> str:
    """A default as the description spells it; texts go without quotes unless empty."""
    return value if isinstance(value, str) and value else json.dumps(value)
