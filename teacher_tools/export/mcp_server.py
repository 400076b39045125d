"""The tools as an MCP server (extra ``mcp``), over stdio or HTTP on this machine only.

A client names videos by what ``list_videos`` gives, never by a path; the server reads nothing
outside the folder it was started with.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
from typing import Any

import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from ffr import __version__
from ffr.errors import UserError
from teacher_tools.encode import encode_jpeg
from teacher_tools.errors import ToolError, ToolsetError, safe_text
from teacher_tools.export.content import caption, evidence_record
from teacher_tools.export.schemas import VIDEO_ARGUMENT, with_video_name
from teacher_tools.export.videos import VideoShelf
from teacher_tools.runner import ToolResult, ToolRunner

__all__ = ["LIST_VIDEOS", "build_server", "serve_http", "serve_stdio"]

LIST_VIDEOS = "list_videos"
_PAGE = 200
_LOOPBACK = "127.0.0.1"
_READS_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_LIST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "after": {
            "description": "The last name of the page before; null gives the first page.",
            "type": ["string", "null"],
        }
    },
    "required": [],
    "additionalProperties": False,
}
_INSTRUCTIONS = (
    "Tools that look into videos. Call list_videos for the names; times are seconds from the "
    "start of a video, boxes are [x0, y0, x1, y1] as shares of width and height."
)


def build_server(runner: ToolRunner, shelf: VideoShelf) -> Server[dict[str, Any]]:
    """Make a server that is not yet connected to anything.

    Args:
        runner: runs the calls; its toolset is what is offered.
        shelf: the videos that may be looked at.

    Raises:
        ToolsetError: a tool is called ``list_videos``, or has an argument ``video``.
    """
    if LIST_VIDEOS in runner.toolset:
        raise ToolsetError(
            f"tool {LIST_VIDEOS!r}, {runner.toolset.origin(LIST_VIDEOS).by}, has the name of the "
            "server's own tool; rename it with @teacher_tool(name=...)"
        )
    offered = [
        Tool(
            name=LIST_VIDEOS,
            description="List the names of the videos that the other tools can look at.",
            input_schema=_LIST_SCHEMA,
            annotations=_READS_ONLY,
        ),
        *(
            Tool(
                name=tool.name,
                description=tool.description,
                input_schema=with_video_name(tool),
                annotations=_READS_ONLY,
            )
            for tool in runner.toolset
        ),
    ]

    async def list_tools(_: Any, __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=offered)

    async def call_tool(_: Any, params: CallToolRequestParams) -> CallToolResult:
        arguments = dict(params.arguments or {})
        try:
            if params.name == LIST_VIDEOS:
                return _listing(shelf, arguments)
            if params.name not in runner.toolset:
                known = ", ".join((LIST_VIDEOS, *runner.toolset.names))
                raise ToolError(f"unknown tool {safe_text(params.name, 60)!r}; available: {known}")
            path = await asyncio.to_thread(shelf.resolve, arguments.pop(VIDEO_ARGUMENT, None))
        except ToolError as error:
            return _refusal(str(error))
        result = await runner.call(params.name, json.dumps(arguments), path)
        if result.detail:
            print(f"{result.tool} failed ({result.boundary}): {result.detail}", file=sys.stderr)  # noqa: T201
        return await asyncio.to_thread(_answer, result)

    return Server(
        "ffr-tools",
        version=__version__,
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve_stdio(server: Server[dict[str, Any]]) -> None:
    """Serve one client over standard input and output until it closes them."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def serve_http(server: Server[dict[str, Any]], port: int) -> None:
    """Serve over streamable HTTP on the loopback address until interrupted.

    Args:
        server: from ``build_server``.
        port: 0 picks a free one; the address is printed on standard error.

    Raises:
        UserError: the port is taken or not allowed.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_LOOPBACK, port))
            listener.listen()  # before the address is told: who connects at once waits, unrefused
        except (OSError, OverflowError) as error:
            raise UserError(
                f"port {port} cannot be used ({error}); give another one, or 0 for a free one"
            ) from error
        app = server.streamable_http_app(host=_LOOPBACK)  # which also checks Host and Origin
        config = uvicorn.Config(app, log_level="warning", lifespan="on")
        url = f"http://{_LOOPBACK}:{listener.getsockname()[1]}/mcp"
        print(f"serving tools at {url}", file=sys.stderr, flush=True)  # noqa: T201
        await uvicorn.Server(config).serve(sockets=[listener])


def _listing(shelf: VideoShelf, arguments: dict[str, Any]) -> CallToolResult:
    unknown = sorted(set(arguments) - {"after"})
    if unknown:
        raise ToolError(f"unknown argument {safe_text(unknown[0], 60)!r}; allowed: after")
    after = arguments.get("after")
    names = shelf.names
    start = 0
    if after is not None:
        if after not in names:
            raise ToolError(f"after={safe_text(repr(after), 80)} is not a name of this list")
        start = names.index(after) + 1
    page = list(names[start : start + _PAGE])
    more = start + _PAGE < len(names)
    text = "\n".join(page) or "There are no videos."
    if more:
        text += f"\n(more: call again with after={page[-1]!r})"
    return CallToolResult(
        content=[TextContent(text=text)], structured_content={"videos": page, "more": more}
    )


def _answer(result: ToolResult) -> CallToolResult:
    evidence = result.evidence
    if evidence is None:
        return _refusal(result.message, result.boundary)
    content: list[Any] = [TextContent(text=evidence.text)] if evidence.text else []
    for number, frame in enumerate(evidence.frames, 1):
        data = base64.b64encode(encode_jpeg(frame.image)).decode()
        content.append(TextContent(text=caption(frame, number, len(evidence.frames))))
        content.append(ImageContent(data=data, mime_type="image/jpeg"))
    return CallToolResult(content=content, structured_content=evidence_record(evidence))


def _refusal(message: str, boundary: str | None = None) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(text=message)],
        structured_content={"error": message, "boundary": boundary},
        is_error=True,
    )
