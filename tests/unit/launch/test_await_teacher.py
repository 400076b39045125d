"""Waiting for the teacher's endpoint, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ffr.config.teacher import TeacherConfig
from ffr.launch.await_teacher import TeacherNotReadyError, await_teacher


@contextmanager
def endpoint(*answers: tuple[int, object]) -> Iterator[tuple[str, list[str]]]:
    """Gives its answers in turn, the last one for ever; also the keys it was shown."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[min(len(keys), len(answers) - 1)]
            keys.append(self.headers.get("Authorization", ""))
            data = json.dumps(body).encode()
            self.send_response(status if self.path == "/v1/models" else 500)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", keys
        finally:
            server.shutdown()
            thread.join()


def models(*names: str) -> dict[str, object]:
    return {"object": "list", "data": [{"id": n, "object": "model"} for n in names]}


def wait(url: str, wait_s: float = 20.0, **settings: str) -> str:
    config = TeacherConfig(base_url=url, model="vlm", **settings)
    return await_teacher(config, wait_s=wait_s, poll_s=0.01)


def test_ready_once_the_model_is_served(monkeypatch):
    monkeypatch.setenv("MY_KEY", "word")
    with endpoint((503, {}), (502, {}), (200, models("other", "vlm"))) as (url, keys):
        assert wait(url, api_key_env="MY_KEY") == f"teacher: {url} serves vlm"
    assert keys == ["Bearer word"] * 3


def test_the_wrong_model_ends_the_wait_and_is_told_what_there_is():
    refused = pytest.raises(TeacherNotReadyError, match="but glm, qwen")
    with endpoint((200, models("glm", "qwen"))) as (url, _), refused:
        wait(url)


def test_a_refused_key_ends_the_wait_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    refused = pytest.raises(TeacherNotReadyError, match="MY_KEY")
    answer = (401, {"error": {"message": "bad key sk-secret"}})
    with endpoint(answer) as (url, keys), refused as caught:
        wait(url, api_key_env="MY_KEY")
    assert len(keys) == 1
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("answer", [(404, {}), (200, models())])
def test_an_endpoint_without_a_list_counts_as_ready(answer):
    with endpoint(answer) as (url, _):
        assert url in wait(url)


def test_nobody_there():
    with endpoint((200, {})) as (url, _):
        pass  # the port is free again
    with pytest.raises(TeacherNotReadyError, match=r"within 0\.05 s"):
        wait(url, 0.05)


def test_an_endpoint_that_stays_ill_is_given_up():
    refused = pytest.raises(TeacherNotReadyError, match="status 503")
    with endpoint((503, {})) as (url, _), refused:
        wait(url, 0.2)
