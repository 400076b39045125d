"""Pass rates from a student behind an endpoint: asked over HTTP, judged, kept for the next call."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ffr.cli.data_select import filter_command
from ffr.data.load import load_questions
from ffr.data.manifest import verify_manifest
from ffr.errors import UserError


class Student(ThreadingHTTPServer):
    """Says "right" to the first ``wins`` of its answers to each question, as the question says."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def answer(self, body: dict[str, Any]) -> str:
        texts = [b["text"] for m in body["messages"] if isinstance(m["content"], list)
                 for b in m["content"] if b["type"] == "text"]  # fmt: skip
        name = next(text for text in texts if "wins" in text).partition("wins")[0].strip()
        with self.lock:
            self.asked[name] += 1
            return "right" if self.asked[name] <= int(name[-1]) else "wrong"


class _Handler(BaseHTTPRequestHandler):
    server: Student

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"<think>Hm.</think><answer>{self.server.answer(body)}</answer>"
        choice = {"index": 0, "message": {"role": "assistant", "content": text},
                  "finish_reason": "stop"}  # fmt: skip
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


def test_questions_are_asked_judged_and_filtered_and_never_asked_twice(
    student, tmp_path, encode, capsys
):
    encode(tmp_path / "v.mp4", 1, seconds=1, size=(64, 48))
    rows = [{"id": f"q{n}", "video": "v.mp4", "question": f"q{n} wins", "answer_type": "text",
             "answer": "right"} for n in (0, 1, 2, 4)]  # fmt: skip
    rows.append({**rows[0], "id": "lost", "video": "gone.mp4"})
    source, target = tmp_path / "rows.jsonl", tmp_path / "kept.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = {
        "endpoint": f"http://127.0.0.1:{student.server_port}/v1", "model": "small", "samples": 4,
        "all_fail": 0.3, "as_json": True,
    }  # fmt: skip
    filter_command(source, target, **words)
    found = json.loads(capsys.readouterr().out)
    assert found["found"] == {"all_fail": 1, "in_band": 2, "too_easy": 1, "unmeasured": 1}
    assert [row["id"] for row in found["unanswered"]] == ["lost"]
    kept = load_questions(target, tmp_path).questions
    assert [q.id for q in kept] == ["q0", "q1", "q2"]
    manifest = verify_manifest(target)
    assert manifest is not None
    assert manifest.made_by["endpoint"]["model"] == "small"
    assert str(student.server_port) not in json.dumps(manifest.made_by)
    before = student.asked.copy()
    filter_command(source, target, **words)
    assert student.asked == before


def test_one_source_of_rates_must_be_named(tmp_path):
    with pytest.raises(UserError, match="give either --rollouts PATH or --endpoint URL"):
        filter_command(tmp_path / "a", tmp_path / "b")
