"""The same tools for others: OpenAI functions, chat templates, verl, MCP.

``content`` turns evidence into what each of them shows a model, ``schemas`` the definitions.
Nothing here imports verl; its classes live in ``ffr.train.verl.tool_export``.
"""

from __future__ import annotations

from teacher_tools.export.content import chat_content, evidence_record, openai_messages
from teacher_tools.export.schemas import flat_schema, verl_tool_config, with_video_name
from teacher_tools.export.videos import VideoShelf, video_name

__all__ = [
    "VideoShelf",
    "chat_content",
    "evidence_record",
    "flat_schema",
    "openai_messages",
    "verl_tool_config",
    "video_name",
    "with_video_name",
]
