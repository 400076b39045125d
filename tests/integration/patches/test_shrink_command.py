"""``ffr cache shrink`` with a real checkpoint, and with a teacher behind HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from ffr.config.student import TinyModelConfig
from ffr.patches.store import PatchStore
from student.tiny.model import build_tiny_student

CONFIG = """
student:
  tiny: {{}}
  dtype: float32
  frames: {{count: 2, max_pixels: 4096, size_multiple: 32, patch_max_pixels: 4096}}
  prompt: {{style: compact}}
  max_response_tokens: 8
hardware: {{platform: cpu}}
eval: {{batch_size: 4}}
teacher: {{base_url: "{url}", model: reviewer, retries: 0}}
"""


def config(tmp_path: Path, url: str = "http://127.0.0.1:9/v1") -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(url=url))
    return path


def test_a_real_student_judges(cache: Any, world: Any, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    checkpoint = tmp_path / "tiny: student"
    words = ["What appears?", "Look at the whole frame from 0.0 to 2.0 seconds. corner"]
    build_tiny_student(TinyModelConfig(), checkpoint, words * 2)
    result = cache(
        "shrink", world.store.root, tmp_path / "small", "--config", config(tmp_path),
        "--questions", world.questions, "--student", checkpoint, "--json",
    )  # fmt: skip
    # An untrained student answers no question: asked without and with the patch, it is no judge.
    assert result.code == 0
    assert (result.json["outcomes"], result.json["judged"]) == ({"not_repairing": 1}, 2)
    assert result.json["problems"] == []
    small = PatchStore(tmp_path / "small")
    assert small.get(world.key) == world.store.get(world.key)


class Reviewer(ThreadingHTTPServer):
    """Chat completions whose content is ``reply``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = ""
        self.bodies: list[Any] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Reviewer)
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        message = {"role": "assistant", "content": server.reply}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        body = json.dumps(
            {"id": "1", "object": "chat.completion", "created": 0, "model": "reviewer",
             "choices": [choice]}
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def reviewer() -> Iterator[Reviewer]:
    server = Reviewer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_teacher_judges(cache: Any, world: Any, tmp_path: Path, reviewer: Reviewer) -> None:
    url = f"http://127.0.0.1:{reviewer.server_port}/v1"
    words = (
        "shrink", world.store.root, tmp_path / "small", "--config", config(tmp_path, url),
        "--questions", world.questions, "--judge", "teacher", "--json",
    )  # fmt: skip
    reviewer.reply = "I cannot say."
    refused = cache(*words)
    assert (refused.code, refused.json["outcomes"]) == (1, {"unjudged": 1})
    assert PatchStore(tmp_path / "small").get(world.key) is None
    reviewer.reply = 'The second shows it. {"needed": ["frame_1"]}'
    result = cache(*words)
    assert (result.code, result.json["frames"], result.json["regions"]) == (0, [3, 1], [1, 0])
    small = PatchStore(tmp_path / "small").get(world.key)
    whole = world.store.get(world.key)
    assert small.patch.frames == whole.patch.frames[1:2]
    (_, user) = reviewer.bodies[-1]["messages"]
    assert sum(block["type"] == "image_url" for block in user["content"]) == 3
    again = cache(*words)
    assert (again.json["outcomes"], len(reviewer.bodies)) == ({"already": 1}, 2)


def test_exactly_one_judge_is_named(cache: Any, world: Any, tmp_path: Path) -> None:
    words = ("shrink", world.store.root, tmp_path / "o", "--config", config(tmp_path),
             "--questions", world.questions)  # fmt: skip
    for more in ((), ("--judge", "teacher", "--student", "x"), ("--judge", "me")):
        result = cache(*words, *more)
        assert result.code == 2
        assert result.err.startswith("error: ")
