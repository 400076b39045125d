"""Tool definitions for readers that know less of JSON schema, or that need a video's name."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from teacher_tools.errors import ToolsetError
from teacher_tools.schema import Schema, in_words
from teacher_tools.tool import Tool
from teacher_tools.toolset import Toolset

__all__ = [
    "VERL_TOOL_CLASS",
    "VIDEO_ARGUMENT",
    "flat_schema",
    "verl_tool_config",
    "with_video_name",
]

VERL_TOOL_CLASS = "ffr.train.verl.tool_export.VideoTool"
VIDEO_ARGUMENT = "video"
_VIDEO: Schema = {"description": "Name of the video.", "type": "string"}


def flat_schema(tool: Tool, *, video: bool = False) -> dict[str, Any]:
    """The tool as a function definition of types, descriptions and enums only.

    verl keeps nothing else of a parameter, so what would be lost (bounds, lengths, the items of
    a list) is said in the description.

    Args:
        tool: the tool.
        video: add the name of the video as first argument.
    """
    parameters = with_video_name(tool) if video else tool.parameters.json_schema
    properties = {}
    for name, schema in parameters["properties"].items():
        flat = {key: schema[key] for key in ("type", "enum") if key in schema}
        words = "" if schema is _VIDEO or "enum" in schema else f" Give {in_words(schema)}."
        properties[name] = {**flat, "description": schema["description"] + words}
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(parameters["required"]),
            },
        },
    }


def with_video_name(tool: Tool) -> Schema:
    """The tool's parameters with the name of a video before them.

    Raises:
        ToolsetError: the tool has an argument of that name itself.
    """
    own = tool.parameters.json_schema
    if VIDEO_ARGUMENT in own["properties"]:
        raise ToolsetError(
            f"tool {tool.name!r} has an argument called {VIDEO_ARGUMENT!r}, which here names the "
            "video to look at; rename the argument"
        )
    return {
        **copy.deepcopy(own),
        "properties": {VIDEO_ARGUMENT: _VIDEO, **copy.deepcopy(own["properties"])},
        "required": [VIDEO_ARGUMENT, *own["required"]],
    }


def verl_tool_config(
    toolset: Toolset, media_root: Path, *, files: Sequence[Path] = ()
) -> dict[str, Any]:
    """What belongs into the YAML file that verl's ``multi_turn.tool_config_path`` names.

    The model never names a video: each row of the data set does, in
    ``extra_info.tools_kwargs.NAME.create_kwargs.video``, as a path below ``media_root``.

    Args:
        toolset: the tools.
        media_root: folder that every video must lie under.
        files: the tool files ``toolset`` was loaded from; read again where verl runs.
    """
    config = {
        "type": "native",
        "media_root": str(media_root.expanduser().absolute()),
        "files": [str(file.expanduser().absolute()) for file in files],
    }
    return {
        "tools": [
            {
                "class_name": VERL_TOOL_CLASS,
                "config": {**config, "tool": tool.name},
                "tool_schema": flat_schema(tool),
            }
            for tool in toolset
        ]
    }
