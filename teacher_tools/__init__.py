"""What a teacher can do to a video, and the API for new tools.

A tool is a typed function with a Google-style docstring under ``@teacher_tool``;
``teacher_tools/tools/clip.py`` is a short example.
"""

from __future__ import annotations

from teacher_tools.encode import encode_jpeg
from teacher_tools.errors import ProviderError, ToolDefinitionError, ToolError, ToolsetError
from teacher_tools.evidence import Evidence, Frame
from teacher_tools.runner import ToolResult, ToolRunner
from teacher_tools.schema import Box, Seconds
from teacher_tools.tool import Tool, teacher_tool
from teacher_tools.toolset import Toolset, builtin_toolset, load_toolset
from teacher_tools.totals import Totals
from teacher_tools.video import Budget, Video

__all__ = [
    "Box",
    "Budget",
    "Evidence",
    "Frame",
    "ProviderError",
    "Seconds",
    "Tool",
    "ToolDefinitionError",
    "ToolError",
    "ToolResult",
    "ToolRunner",
    "Toolset",
    "ToolsetError",
    "Totals",
    "Video",
    "builtin_toolset",
    "encode_jpeg",
    "load_toolset",
    "teacher_tool",
]
