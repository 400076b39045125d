"""The tools that come with the project: ``clip``, ``zoom`` and ``timestamp``."""

from __future__ import annotations

from teacher_tools.tool import Tool
from teacher_tools.tools.clip import clip
from teacher_tools.tools.timestamp import timestamp
from teacher_tools.tools.zoom import zoom

__all__ = ["BUILTIN", "clip", "timestamp", "zoom"]

BUILTIN: tuple[Tool, ...] = (clip, zoom, timestamp)
