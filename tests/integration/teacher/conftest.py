"""A chat-completions endpoint that misbehaves on request, and a real video to ask about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ffr.demo.layout import VideoPlan, plan_video
from ffr.demo.render import render_video
from teacher_tools.runner import ToolRunner
from teacher_tools.toolset import builtin_toolset

Action = Callable[["FaultServer", asyncio.StreamWriter], Awaitable[None]]


class FaultServer:
    """Plays a list of actions, one a request; the last one repeats."""

    def __init__(self) -> None:
        self.script: list[Action] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    k.lower(): v for k, v in (h.split(": ", 1) for h in head[1:] if ": " in h)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                self.bodies.append(json.loads(body))
                self.headers.append(headers)
                self.times.append(asyncio.get_running_loop().time())
                self._in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self._in_flight)
                try:
                    action = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    await action(self, writer)
                finally:
                    self._in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def send(
        writer: asyncio.StreamWriter,
        body: bytes,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        extra = {"Content-Type": "application/json", **(headers or {})}
        lines += [f"{name}: {value}" for name, value in extra.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    # What a server can do -------------------------------------------------------------------

    @classmethod
    def say(
        cls,
        content: str | None,
        *,
        tools: list[tuple[str, str]] | None = None,
        finish: str = "stop",
        delay_s: float = 0.0,
    ) -> Action:
        """A proper completion, with tool calls as (name, arguments)."""
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if tools:
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": a}}
                for i, (n, a) in enumerate(tools)
            ]
        body = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }

        async def act(_: FaultServer, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(delay_s)
            await cls.send(writer, json.dumps(body).encode())

        return act

    @classmethod
    def raw(
        cls, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Action:
        """Any bytes with any status."""

        async def act(_: FaultServer, writer: asyncio.StreamWriter) -> None:
            await cls.send(writer, body, status=status, headers=headers)

        return act

    @classmethod
    def fail(cls, status: int, headers: dict[str, str] | None = None, text: str = "no") -> Action:
        """An error in OpenAI's form."""
        body = json.dumps({"error": {"message": text, "type": "x", "code": None}}).encode()
        return cls.raw(body, status=status, headers=headers)

    @staticmethod
    def hang() -> Action:
        """Never answer."""

        async def act(_: FaultServer, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)

        return act

    @staticmethod
    def reset() -> Action:
        """Promise a body, send half of it, and drop the connection."""

        async def act(_: FaultServer, writer: asyncio.StreamWriter) -> None:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"choices": [')
            await writer.drain()
            writer.transport.abort()

        return act


@pytest.fixture
async def fault() -> AsyncIterator[FaultServer]:
    server = FaultServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
def plan() -> VideoPlan:
    """A demo video with one object of each family."""
    return plan_video(0, "train", 0)


@pytest.fixture(scope="session")
def media_root(tmp_path_factory: pytest.TempPathFactory, plan: VideoPlan) -> Path:
    """A media root with the video of ``plan`` as ``videos/...`` and a file that is no video."""
    root = tmp_path_factory.mktemp("videos-of-teacher-tests")
    (root / "videos").mkdir()
    (root / "videos" / plan.name).write_bytes(render_video(plan))
    (root / "broken.mp4").write_bytes(b"not a video" * 100)
    return root


@pytest.fixture(scope="session")
def runner() -> Iterator[ToolRunner]:
    with ToolRunner(builtin_toolset(("clip", "zoom", "timestamp")), workers=1) as started:
        yield started
