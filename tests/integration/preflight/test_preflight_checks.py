"""The checks before step 0 on real files, a real student and the demo teacher."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.preflight.check import Check
from ffr.preflight.run import PreflightError, Report, preflight
from ffr.preflight.situation import look, prepare
from ffr.run.folder import RunFolder
from ffr.train.endpoint import teacher_endpoint
from ffr.train.preflight import check_before_step_0
from ffr.train.stage_state import StageState

QUICK = ["tokens", "rollout", "model", "memory", "disk"]


def examine(config: RunConfig) -> Report:
    with look(config) as situation, teacher_endpoint(config) as base_url:
        return preflight(config, situation, base_url=base_url)


def by_name(report: Report) -> dict[str, Check]:
    return {check.name: check for check in report.checks}


def test_a_run_that_can_start_passes_every_check(make: Any, tmp_path: Path) -> None:
    """One dry rollout included: tools, patch, second answer and reward are real."""
    report = examine(make())
    found = by_name(report)
    assert report.problems == []
    assert found["dry rollout"].status == "ok", found["dry rollout"]
    assert found["dry rollout"].found.startswith("question, answer, teacher, patch, second answer")
    assert found["teacher calls tools"].found == "it called 'timestamp'"
    assert found["videos"].found == "2 of 2 decode, drawn from 2"
    assert report.shape is not None
    assert f"{report.shape.parameters:,} parameters" in found["student"].found
    plain, patched = found["prompt tokens"], found["prompt tokens, patch of 4 images"]
    assert plain.status == patched.status == "ok"
    shortest = [int(check.found.split()[0]) for check in (plain, patched)]
    assert shortest[1] >= shortest[0] + 4 * 4  # four images of 2 x 2 tokens
    assert found["host memory of a node, grpo"].status == "ok"
    assert not (tmp_path / "run").exists()  # a look leaves nothing


def test_every_problem_is_found_in_one_go(
    make: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mp4", "b.mp4"):
        whole = (videos / name).read_bytes()
        (tmp_path / name).write_bytes(whole if name == "a.mp4" else whole[: len(whole) // 3])
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port()}")
    config = make(
        data={"media_root": str(tmp_path)},
        student={"max_prompt_tokens": 90},
        teacher={"kind": "openai", "base_url": f"http://127.0.0.1:{closed_port()}/v1"},
        hardware={"nodes": 2},
        preflight={"host_memory_gb": 0.5},
    )
    report = examine(config)
    problems = {check.name for check in report.problems}
    assert problems == {
        "teacher", "videos", "cluster", "prompt tokens, patch of 4 images",
        "host memory of a node, grpo",
    }  # fmt: skip
    assert all(check.found and check.fix for check in report.problems)
    found = by_name(report)
    assert "b.mp4" in found["videos"].found
    assert "there are 0.5 GB" in found["host memory of a node, grpo"].found
    assert "no Ray at 127.0.0.1" in found["cluster"].found
    assert found["dry rollout"].status == "warning"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Chat(http.server.BaseHTTPRequestHandler):
    """An endpoint that answers in words, or knows no tools at all."""

    knows_tools = True

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("tools") and not self.knows_tools:
            message = "auto tool choice requires --enable-auto-tool-choice"
            self._send(400, {"error": {"message": message, "type": "BadRequestError"}})
            return
        message = {"role": "assistant", "content": "I would rather talk."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._send(200, {"id": "x", "object": "chat.completion", "created": 0, "model": "m",
                         "choices": [choice]})  # fmt: skip

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(handler: type[Chat]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("knows", "status"), [(True, "warning"), (False, "problem")])
def test_a_teacher_without_tool_calls(make: Any, knows: bool, status: str) -> None:
    handler = type("Handler", (Chat,), {"knows_tools": knows})
    with served(handler) as url:
        teacher = {"kind": "openai", "base_url": url, "model": "m"}
        skip = {"skip": [*QUICK, "versions", "videos"]}
        report = examine(make(teacher=teacher, preflight=skip))
    found = by_name(report)
    assert found["teacher"].status == "ok"
    calls = found["teacher calls tools"]
    assert calls.status == status
    assert ("--enable-auto-tool-choice" if not knows else "I would rather talk") in calls.found
    assert "teacher.tool_calling=text" in calls.fix


def test_what_is_left_out_is_recorded(make: Any) -> None:
    skip = [*QUICK, "versions", "videos", "teacher", "devices"]
    report = examine(make(preflight={"skip": skip}))
    left_out = {c.name for c in report.checks if c.found == "left out by preflight.skip"}
    assert left_out == set(skip)
    assert all(c.status == "warning" for c in report.checks if c.name in left_out)


def test_a_run_is_refused_before_step_0_and_the_folder_tells_why(make: Any) -> None:
    config = make(teacher={"kind": "replay"}, preflight={"skip": QUICK})
    assert config.output is not None
    folder = RunFolder.create(config.output, dump_config(config))
    state = StageState(folder.path / "stages.json")
    situation = prepare(config, folder)
    with pytest.raises(PreflightError, match=r"1 problem, .*no patches in .*ffr-cache"):
        check_before_step_0(config, folder, situation, state, None)
    kept = json.loads((folder.path / "preflight.json").read_text())
    assert kept["ok"] is False
    assert {"teacher", "disk"} <= {check["name"] for check in kept["checks"]}
    assert next(check for check in kept["checks"] if check["status"] == "problem")["fix"]


def test_a_run_that_goes_on_repeats_only_what_may_have_changed(make: Any) -> None:
    config = make(preflight={"skip": ["rollout", "videos", "tokens"]})
    assert config.output is not None
    folder = RunFolder.create(config.output, dump_config(config))
    state = StageState(folder.path / "stages.json")
    situation = prepare(config, folder)

    def names() -> set[str]:
        with teacher_endpoint(config) as base_url:
            check_before_step_0(config, folder, situation, state, base_url)
        kept = json.loads((folder.path / "preflight.json").read_text())
        return {check["name"] for check in kept["checks"]}

    first = names()
    state.record("grpo", seconds=1.0, steps=1, done=False)
    again = names()
    assert first - again == {"student", "tokens", "rollout", "videos"}
    assert {"disk", "teacher calls tools", "verl"} <= again
    (folder.path / "preflight.json").unlink()
    state.record("grpo", seconds=1.0, steps=2, done=True)
    with teacher_endpoint(config) as base_url:  # nothing is left to do, nothing is looked at
        check_before_step_0(config, folder, situation, state, base_url)
    assert not (folder.path / "preflight.json").exists()
