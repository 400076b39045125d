"""The server as a process, over real HTTP, with the official client."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import openai
import pytest

from ffr.demo.server import DemoTeacherServer
from ffr.errors import FfrError, UserError

QUESTION = "Question: What appears at 5.0 seconds?\nVideo duration: 8.0 s"
CLIP = {
    "type": "function",
    "function": {
        "name": "clip",
        "parameters": {
            "type": "object",
            "properties": {
                "start_s": {"type": "number"},
                "end_s": {"type": "number"},
                "frames": {"type": "integer"},
            },
            "required": ["start_s", "end_s", "frames"],
        },
    },
}


@pytest.fixture(scope="module")
def server():
    with DemoTeacherServer() as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as made:
        yield made


def post(port, body, headers=None, path="/v1/chat/completions"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def health(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/health")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["ffr-demo-observer"]


def test_tool_call_then_answer(client):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(model="any", messages=messages, tools=[CLIP])
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "clip"
    assert json.loads(call.function.arguments)["frames"] >= 10
    assert answer.model == "any"
    assert answer.usage.prompt_tokens > 0
    messages += [
        answer.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": '{"ok": false, "error": "no"}'},
        {"role": "user", "content": "Give your final answer now."},
    ]
    final = client.chat.completions.create(
        model="any", messages=messages, tools=[CLIP], tool_choice="none"
    )
    assert final.choices[0].finish_reason == "stop"
    assert json.loads(final.choices[0].message.content)["evidence"] == []


def test_errors_reach_the_client_as_its_own(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="m", messages=[])
    assert caught.value.param == "messages"
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="x")


def test_bad_http_gets_a_json_error(server):
    assert post(server.port, b"{")[0] == 400
    assert post(server.port, b"{}", path="/v1/nothing")[0] == 404
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/v1/chat/completions")
    assert connection.getresponse().status == 405
    connection.close()


def test_a_body_of_unknown_length_is_refused(server):
    head = "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        assert response.status == 411
        assert json.loads(response.read())["error"]["type"] == "invalid_request_error"


def test_oversized_body_is_refused(server):
    status, body = post(server.port, b" " * (64 * 2**20 + 1))
    assert status == 413
    assert "too large" in body["error"]["message"]


def test_a_client_that_leaves_does_no_harm(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert health(server.port)["status"] == "ok"


async def test_waiting_requests_wait_together():
    count, latency_s = 40, 0.5
    with DemoTeacherServer(latency_s=latency_s) as slow:
        async with openai.AsyncOpenAI(base_url=slow.base_url, api_key="x", max_retries=0) as made:

            async def ask():
                messages = [{"role": "user", "content": QUESTION}]
                return await made.chat.completions.create(model="m", messages=messages)

            started = time.monotonic()
            answers = await asyncio.gather(*(ask() for _ in range(count)))
            wall_s = time.monotonic() - started
        counted = health(slow.port)
    assert len(answers) == count
    assert wall_s < count * latency_s / 4
    assert counted["requests"] == count
    assert counted["in_flight"] == 0
    assert counted["most_in_flight"] > count / 2


def test_port_in_use_names_the_port_and_the_fix(server):
    with pytest.raises(UserError, match=rf"port {server.port} .* in use; give another port"):
        DemoTeacherServer(port=server.port).start()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70000}, "port=70000"),
        ({"latency_s": -1.0}, "latency_s=-1.0"),
        ({"latency_s": float("nan")}, "latency_s=nan"),
        ({"evidence_frames": 0}, "evidence_frames=0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UserError, match=message):
        DemoTeacherServer(**options).start()


def test_not_ready_in_time():
    with pytest.raises(UserError, match=r"start_timeout_s=0\.001"):
        DemoTeacherServer(start_timeout_s=0.001).start()


def test_start_and_stop():
    server = DemoTeacherServer()
    with pytest.raises(FfrError, match="not running"):
        server.base_url  # noqa: B018
    server.stop()
    with server:
        port = server.port
        assert server.alive
        with pytest.raises(FfrError, match="already"):
            server.start()
    assert not server.alive
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with DemoTeacherServer(port=port) as again:  # the port is free again at once
        assert again.port == port
        assert health(port)["status"] == "ok"


def test_it_ends_when_its_starter_is_killed():
    code = (
        "import sys, time\n"
        "from ffr.demo.server import DemoTeacherServer\n"
        "server = DemoTeacherServer()\n"
        "server.start()\n"
        "print(server.port, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    port = int(parent.stdout.readline())
    assert health(port)["status"] == "ok"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.1)
    raise AssertionError("the server outlived the process that started it")


def test_by_hand_on_the_command_line():
    command = [sys.executable, "-m", "ffr.demo.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        assert told["base_url"] == f"http://127.0.0.1:{told['port']}/v1"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
