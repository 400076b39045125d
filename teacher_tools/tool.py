"""The decorator that makes a plain function a tool a teacher can call."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints, overload

from PIL import Image

from teacher_tools.docstring import Docstring, parse_docstring
from teacher_tools.errors import ToolDefinitionError
from teacher_tools.evidence import Evidence, ToolOutput
from teacher_tools.parameters import Parameter, Parameters
from teacher_tools.schema import Schema
from teacher_tools.video import Budget, Video

__all__ = ["Tool", "teacher_tool"]

_NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9_]{0,63}$")


@dataclass(frozen=True, eq=False)
class Tool:
    """A function with a schema; calling it calls the function.

    Attributes:
        name: what models call it.
        description: what models read about it.
        function: takes a ``Video`` and the arguments.
        parameters: the arguments' schema and check.
        version: raise it whenever equal arguments would give other evidence.
        budget: limits of one call.
    """

    name: str
    description: str
    function: Callable[..., ToolOutput]
    parameters: Parameters
    version: str = "1"
    budget: Budget = field(default_factory=Budget)

    def __call__(self, video: Video, **arguments: Any) -> ToolOutput:
        """Run the function here and now, unchecked: for tests and for tools built from tools."""
        return self.function(video, **arguments)

    def openai_schema(self) -> dict[str, Any]:
        """The tool as an OpenAI function definition in strict mode."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters.json_schema,
                "strict": True,
            },
        }

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 (hex) over name, description, schema and version; part of cache keys."""
        identity: Schema = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters.json_schema,
            "version": self.version,
        }
        return _sha256(identity)

    def call_key(self, content_id: str, arguments: Mapping[str, Any]) -> str:
        """SHA-256 (hex) that stands for the evidence of one call.

        A tool is a pure function of these three: the video's content, the arguments, and itself
        (``hash``, which holds the version).  Equal keys mean equal evidence, so caches may use it.

        Args:
            content_id: SHA-256 of the video file (``Video.content_id``).
            arguments: as ``ToolResult.arguments`` has them: checked, with defaults filled in.
        """
        # 3 and 3.0 are one moment, but two spellings in JSON.
        return _sha256({"tool": self.hash, "video": content_id, "arguments": _canonical(arguments)})


@overload
def teacher_tool(function: Callable[..., ToolOutput], /) -> Tool: ...


@overload
def teacher_tool(
    *, name: str | None = None, version: str = "1", budget: Budget | None = None
) -> Callable[[Callable[..., ToolOutput]], Tool]: ...


def teacher_tool(
    function: Callable[..., ToolOutput] | None = None,
    /,
    *,
    name: str | None = None,
    version: str = "1",
    budget: Budget | None = None,
) -> Tool | Callable[[Callable[..., ToolOutput]], Tool]:
    """Make a function a tool, bare or with options.

    The first parameter, annotated ``Video``, is injected and never shown to a model.  All others
    are described in the docstring's ``Args:`` and typed as ``Seconds`` (or a float named
    ``*_s``), ``Box``, ``bool``, ``str``, ``Literal``, bounded numbers, or bounded lists of these;
    ``| None`` makes one optional.  The function returns ``Evidence``, a PIL image, a list of PIL
    images, or a str, and should depend on nothing but the video's content and its arguments.

    Args:
        function: the function, when used bare.
        name: for models; default is the function's name.
        version: raise it whenever equal arguments would give other evidence.
        budget: limits of one call.

    Raises:
        ToolDefinitionError: at import; names the parameter and shows the line that is missing.
    """

    def make(function: Callable[..., ToolOutput]) -> Tool:
        return _make(function, name or function.__name__, version, budget or Budget())

    return make if function is None else make(function)


def _make(function: Callable[..., ToolOutput], name: str, version: str, budget: Budget) -> Tool:
    if not _NAME.match(name):
        raise ToolDefinitionError(
            f"tool name {name!r} is not allowed; use letters, digits and _, at most 64"
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ToolDefinitionError(
            f"tool {name!r} is asynchronous or a generator; write a plain `def {name}(...)`, tools "
            "run in processes of their own"
        )
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ToolDefinitionError(
            f"tool {name!r}: the annotation name {error.name!r} is not known where the function "
            f"is defined; import it, for example `from teacher_tools import {error.name}`"
        ) from error
    doc = parse_docstring(function.__doc__)
    if not doc.description:
        raise ToolDefinitionError(
            f"tool {name!r} has no docstring, so a teacher cannot know it; add for example "
            '`"""Show the frames between two times."""`'
        )
    _check_return(name, hints.get("return"))
    declared = list(inspect.signature(function).parameters.values())
    if not declared or hints.get(declared[0].name) is not Video:
        raise ToolDefinitionError(
            f"tool {name!r}: the first parameter must be the video; write "
            f"`def {name}(video: Video, ...)`"
        )
    parameters = tuple(_parameter(name, p, hints, doc) for p in declared[1:])
    unknown = set(doc.args) - {p.name for p in declared}
    if unknown:
        raise ToolDefinitionError(
            f"tool {name!r}: the docstring describes {sorted(unknown)[0]!r}, which is no "
            f"parameter; the parameters are {', '.join(p.name for p in parameters) or 'none'}. "
            f"Remove the line, or add the parameter, for example `{sorted(unknown)[0]}: Seconds`"
        )
    return Tool(name, doc.description, function, Parameters(name, parameters), version, budget)


def _parameter(
    tool: str, declared: inspect.Parameter, hints: dict[str, Any], doc: Docstring
) -> Parameter:
    name = declared.name
    if declared.kind in (declared.VAR_POSITIONAL, declared.VAR_KEYWORD, declared.POSITIONAL_ONLY):
        raise ToolDefinitionError(
            f"tool {tool!r}, parameter {name!r}: *args, **kwargs and positional-only parameters "
            "have no place in a schema; name each argument, for example `t_s: Seconds`"
        )
    if name not in hints:
        raise ToolDefinitionError(
            f"tool {tool!r}, parameter {name!r} has no type; write for example `{name}: Seconds`"
        )
    if not doc.args.get(name):
        raise ToolDefinitionError(
            f"tool {tool!r}, parameter {name!r} is not described; add to the docstring\n"
            f"    Args:\n        {name}: What it means, and its unit."
        )
    default = ... if declared.default is declared.empty else declared.default
    return Parameter(name, hints[name], doc.args[name], default)


def _sha256(value: Schema) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_return(tool: str, annotation: Any) -> None:
    item = get_args(annotation)[:1] if get_origin(annotation) is list else (annotation,)
    if annotation in (Evidence, str, ToolOutput) or item == (Image.Image,):
        return
    raise ToolDefinitionError(
        f"tool {tool!r}: the return type {annotation!r} is not evidence; write "
        "`-> Evidence`, `-> Image.Image`, `-> list[Image.Image]` or `-> str`"
    )
