"""A small demo world, a tiny checkpoint, a scripted endpoint, and the real command."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ffr.cli.main import main
from ffr.config.schema import DemoWorldConfig
from ffr.config.student import TinyModelConfig
from ffr.data.load import load_questions
from ffr.demo.world import DemoWorldPaths, generate_demo_world
from student.tiny.model import build_tiny_student

Outcome = tuple[int, str, str]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoWorldPaths:
    """16 test questions about few videos."""
    path = tmp_path_factory.mktemp("world-of-evaluation")
    return generate_demo_world(
        DemoWorldConfig(sft=1, train=1, validation=1, test=16, path=str(path))
    )


@pytest.fixture(scope="session")
def data(world: DemoWorldPaths) -> Path:
    """The test questions, the fourth of them about a video that is gone."""
    lines = [json.loads(line) for line in world.test.read_text().splitlines()]
    lines[3]["video"] = "videos/gone.mp4"
    path = world.root / "with_a_gap.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="session")
def checkpoint(world: DemoWorldPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = TinyModelConfig(
        hidden_size=64, layers=1, heads=2, vision_hidden_size=32, vision_layers=1
    )
    questions = load_questions(world.test, check_media=False).questions
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    return build_tiny_student(shape, folder, [q.question for q in questions])


@pytest.fixture
def ffr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """``ffr ...`` in this process: exit code, standard output and error."""

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["ffr", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return call


class Upstream(ThreadingHTTPServer):
    """Answers each question by its words, or as ``answers`` says; ``faults`` says what else to do.

    A fault is a list of statuses (200 with ``garbage`` is a body that is no completion), used up
    call by call; ``dead`` makes every call a 500.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.answers: dict[str, str] = {}
        self.faults: dict[str, list[int | str]] = {}
        self.dead = False
        self.silent_after: int | None = None  # from this call on nobody gets an answer
        self.lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = [b["text"] for b in body["messages"][-1]["content"] if b["type"] == "text"]
        words = texts[-1].split("\n")[0]
        with self.server.lock:
            self.server.asked[words] += 1
            self.server.bodies.append(body)
            faults = self.server.faults.get(words, [])
            fault = 500 if self.server.dead else faults.pop(0) if faults else 200
            if sum(self.server.asked.values()) == self.server.silent_after:
                self.server.hold.clear()
        self.server.hold.wait(60)
        if fault == "garbage":
            self._send(200, b"<html>")
        elif fault != 200:
            self._send(int(fault), b'{"error": {"message": "no"}}')
        else:
            answer = self.server.answers.get(words, "nothing")
            text = f"<think>At <keyframes>1.0</keyframes>.</think><answer>{answer}</answer>"
            choice = {"index": 0, "finish_reason": "stop",
                      "message": {"role": "assistant", "content": text}}  # fmt: skip
            usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
            self._send(200, json.dumps({"choices": [choice], "usage": usage}).encode())

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.hold.set()
        running.shutdown()
        thread.join()
