"""A chat-completions server over real HTTP with scripted answers, a real mp4, a tiny checkpoint."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ffr.cli.main import main

Reply = Callable[[dict[str, Any]], str | tuple[int, str]]


def said(answer: str, cited: str = "3", confidence: float = 0.7) -> str:
    return (
        f"<think>frame {cited} shows it clearly</think><answer>{answer}</answer>"
        f"<keyframes>{cited}</keyframes><confidence>{confidence}</confidence>"
    )


def is_referee(body: dict[str, Any]) -> bool:
    return "Claimed answer:" in json.dumps(body["messages"][-1])


def images_of(body: dict[str, Any]) -> list[np.ndarray]:
    """All images of a request, decoded."""
    found = []
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "image_url":
                data = base64.b64decode(block["image_url"]["url"].partition(",")[2])
                found.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    return found


def texts_of(body: dict[str, Any]) -> list[str]:
    blocks = body["messages"][-1]["content"]
    if isinstance(blocks, str):
        return [blocks]
    return [block["text"] for block in blocks if block["type"] == "text"]


@dataclass
class Upstream:
    """What the server did; ``reply`` and ``latency_s`` may be changed while it runs.

    No request is answered before ``hold_until`` of them have come.
    """

    base_url: str = ""
    reply: Reply = lambda body: "<score>1</score>" if is_referee(body) else said("B")
    latency_s: float = 0.0
    hold_until: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0

    said = staticmethod(said)
    is_referee = staticmethod(is_referee)
    images_of = staticmethod(images_of)
    texts_of = staticmethod(texts_of)

    def app(self) -> Starlette:
        async def chat(request: Request) -> Response:
            body = await request.json()
            self.bodies.append(body)
            self.keys.append(request.headers.get("authorization", ""))
            self.counts["started"] += 1
            self.most_at_once = max(self.most_at_once, self.in_flight)
            gone = asyncio.create_task(self._gone(request))
            try:
                done, _ = await asyncio.wait({gone}, timeout=self.latency_s or 0.0001)
                while not done and self.counts["started"] < self.hold_until:
                    done, _ = await asyncio.wait({gone}, timeout=0.01)
            finally:
                gone.cancel()
            if done:
                self.counts["cancelled"] += 1
                return Response(status_code=499)
            self.counts["finished"] += 1
            reply = self.reply(body)
            if isinstance(reply, tuple):
                return JSONResponse({"error": {"message": reply[1]}}, reply[0])
            return JSONResponse(
                {
                    "id": "c", "object": "chat.completion", "created": 0, "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": "stop",
                                 "message": {"role": "assistant", "content": reply}}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                }
            )  # fmt: skip

        async def models(_: Request) -> Response:
            return JSONResponse({"object": "list", "data": [{"id": "upstream-model"}]})

        return Starlette(routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]), Route("/v1/models", models),
        ])  # fmt: skip

    @property
    def in_flight(self) -> int:
        return self.counts["started"] - self.counts["finished"] - self.counts["cancelled"]

    @staticmethod
    async def _gone(request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """An ASGI app on a free port; yields its base URL."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", lifespan="on", backlog=2048)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(2000):
        if server.started:
            break
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    state = Upstream()
    with running(state.app()) as base_url:
        state.base_url = base_url
        yield state


@pytest.fixture
def serve_app() -> Callable[[Starlette], Any]:
    return running


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s, 10 fps, 64x48; the left half is dark, and a frame's grey tells its time."""
    path = tmp_path_factory.mktemp("elect") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "10"}
        for i in range(80):
            picture = np.full((48, 64, 3), 2 * i + 40, dtype=np.uint8)
            picture[:, :32] = 20
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def run_elect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """``ffr elect ...`` in this process: exit code, standard output and error."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ffr", "elect", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return call
