"""The tools a configuration gives the teacher."""

from __future__ import annotations

from pathlib import Path

from ffr.config.teacher import TeacherConfig
from ffr.errors import UserError
from teacher_tools.toolset import Toolset, load_toolset

__all__ = ["configured_toolset"]


def configured_toolset(config: TeacherConfig) -> Toolset:
    """The tools ``teacher.tools`` names: built in, of installed packages, of ``tool_files``.

    Raises:
        UserError: a name is unknown, two tools share one, a file does not load, or no tool of a
            file is named.
    """
    files = [Path(file) for file in config.tool_files]
    toolset = load_toolset(config.tools, files)
    for file in files:
        offered = load_toolset(files=[file], installed=False)
        own = [n for n in offered.names if offered.origin(n).kind == "file"]
        if not set(own) & set(config.tools):
            raise UserError(
                f"teacher.tool_files: no tool of {str(file)!r} is in teacher.tools, so the file "
                f"would be of no use; add {', '.join(own)} to teacher.tools"
            )
    return toolset
