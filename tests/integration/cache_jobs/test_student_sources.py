"""A student answers the data set: behind an endpoint, and from a checkpoint in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ffr.cache_jobs.job import CacheJob
from ffr.data.load import load_questions

SMALL = {
    "frames": {"count": 4, "exact_size": [32, 32], "size_multiple": 16,
               "patch_exact_size": [32, 32]},
    "prompt": {"style": "compact"}, "max_prompt_tokens": 512, "max_response_tokens": 12,
    "dtype": "float32",
}  # fmt: skip


class Student(ThreadingHTTPServer):
    """Answers every chat completion with the letter A; remembers what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Student

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        message = {"role": "assistant", "content": "<think>Hm.</think><answer>A</answer>"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        data = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def student() -> Iterator[Student]:
    with Student() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_an_endpoints_wrong_answers_get_patches_and_are_asked_for_once(
    job_config, server, tmp_path, student, world
):
    questions = load_questions(world.train).questions[:8]
    wrong = [q for q in questions if q.answer != "A"]
    changes = {
        "failures": {
            "limit": 8,
            "student": {"samples": 2, "temperature": 0.0,
                        "endpoint": {"base_url": student.base_url, "model": "small"}},
        },
        "student": SMALL,
    }  # fmt: skip
    config = job_config(tmp_path / "job", server, **changes)
    work, plan = CacheJob(config).plan()
    assert (work.total, plan.diagnoses, len(student.bodies)) == (0, 16, 0)
    summary = CacheJob(config).run()
    assert summary.status == "ok"
    assert len(student.bodies) == 16
    assert summary.read["failures"] == 2 * len(wrong)
    assert summary.requests == summary.patches == len(wrong)
    body = student.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0.0, 12)
    images = [b for b in body["messages"][0]["content"] if b["type"] == "image_url"]
    assert len(images) == 4
    again = CacheJob(config).run()
    assert (again.status, again.hits, len(student.bodies)) == ("ok", len(wrong), 16)


def test_a_checkpoints_wrong_answers_get_patches(job_config, server, tmp_path, world):
    from ffr.config.student import TinyModelConfig
    from student.tiny.model import build_tiny_student

    path = build_tiny_student(
        TinyModelConfig(hidden_size=64, layers=1, heads=2, vision_hidden_size=32, vision_layers=1),
        tmp_path / "tiny", [q.question for q in load_questions(world.train).questions],
    )  # fmt: skip
    changes = {
        "failures": {"limit": 4, "student": {"device": "cpu", "batch_size": 4, "samples": 2}},
        "student": SMALL | {"path": str(path)},
    }
    config = job_config(tmp_path / "job", server, **changes)
    summary = CacheJob(config).run()
    assert summary.status == "ok"
    assert summary.read["failures"] == 8  # it was never trained
    assert summary.patches == summary.requests > 0
    answers = next((Path(str(config.output)) / "answers").glob("*.jsonl")).read_text()
    assert len(answers.splitlines()) == 4
    assert CacheJob(config).run().hits == summary.requests
    assert next((Path(str(config.output)) / "answers").glob("*.jsonl")).read_text() == answers
