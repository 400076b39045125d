"""The proxy over real HTTP: nothing lost under load, nothing left running, clear refusals."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from ffr.config.elect import (
    BudgetConfig,
    ElectConfig,
    EndpointConfig,
    RefereeConfig,
    ServeConfig,
    ViewsConfig,
)  # fmt: skip
from ffr.elect.proxy.app import build_app
from ffr.elect.proxy.serve import client_key, serve
from ffr.errors import UserError

ROOT = Path(__file__).parents[3]
OFF = RefereeConfig(when="off")


@pytest.fixture
def proxy(upstream, serve_app):
    """Starts a proxy in front of ``upstream``; gives its base URL."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(key: str | None = None, **sections) -> str:
            endpoint = EndpointConfig(base_url=upstream.base_url, retries=0, model="m")
            config = ElectConfig(**{"endpoint": endpoint, "referee": OFF, **sections})
            return stack.enter_context(serve_app(build_app(config, key)))

        yield start


def question(text: str = "Which side?", **more) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def picture(value: int = 100, size: tuple[int, int] = (40, 30)) -> dict:
    pixels = np.full((size[1], size[0], 3), value, dtype=np.uint8)
    pixels[:, : size[0] // 2] = value // 4
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def with_pictures(count: int) -> list[dict]:
    blocks = [*(picture(60 + 10 * i) for i in range(count)), {"type": "text", "text": "Which?"}]
    return [{"role": "user", "content": blocks}]


async def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def post(url: str, body: object, **more) -> httpx.Response:
    async with httpx.AsyncClient(timeout=120) as client:
        return await client.post(f"{url}/chat/completions", json=body, **more)


async def test_any_openai_client_gets_elected_answers(upstream, proxy) -> None:
    votes = iter(["A", "(B)", "B."])
    upstream.reply = lambda _: upstream.said(next(votes))
    client = openai.AsyncOpenAI(base_url=proxy(), api_key="none", max_retries=0)
    done = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "A or B?"}], temperature=0.3
    )
    assert done.choices[0].message.content in ("(B)", "B.")
    told = done.model_extra["ffr"]
    assert [v["supporters"] for v in told["votes"]] == [[2, 3], [1]]
    assert (told["generated"], told["ignored_parameters"]) == (3, ["temperature"])
    assert done.usage.total_tokens == 3 * 110
    assert (await client.models.list()).data[0].id == "upstream-model"
    text = upstream.bodies[0]["messages"][0]["content"]
    assert "A or B?" in text
    assert "<keyframes>" not in text  # there is no frame to cite


async def test_a_client_that_streams_gets_the_answer_as_events(upstream, proxy) -> None:
    client = openai.AsyncOpenAI(base_url=proxy(), api_key="none", max_retries=0)
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "A or B?"}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "B"
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_pictures_are_numbered_and_shown_under_the_views(upstream, proxy) -> None:
    upstream.reply = lambda b: (
        "<score>1</score>" if upstream.is_referee(b) else upstream.said("B", "2, 3")
    )
    url = proxy(referee=RefereeConfig(when="always"))
    answer = (await post(url, {"model": "m", "messages": with_pictures(4)})).json()
    assert [c["unit"] for c in answer["ffr"]["cited"]] == [2, 3]
    by_heat = {b["temperature"]: b for b in upstream.bodies if not upstream.is_referee(b)}
    assert upstream.texts_of(by_heat[0.2])[:2] == ["Frame 1:", "Frame 2:"]
    plain, bright = (upstream.images_of(by_heat[t]) for t in (0.2, 0.7))
    assert len(plain) == len(bright) == 4
    assert bright[3].mean() > 1.1 * plain[3].mean()
    check = next(b for b in upstream.bodies if upstream.is_referee(b))
    assert len(upstream.images_of(check)) == 2


async def test_pictures_behind_an_address_are_left_to_the_endpoint(upstream, proxy) -> None:
    block = {"type": "image_url", "image_url": {"url": "http://10.0.0.1/secret.png"}}
    body = {"messages": [{"role": "user", "content": [block, {"type": "text", "text": "Q"}]}]}
    assert (await post(proxy(), body)).status_code == 200
    sent = [b for body in upstream.bodies for b in body["messages"][0]["content"]]
    assert [b["image_url"]["url"] for b in sent if b["type"] == "image_url"] == [
        "http://10.0.0.1/secret.png"
    ] * 3


async def test_200_concurrent_requests_against_a_slow_upstream_lose_none(upstream, proxy) -> None:
    upstream.latency_s = 0.1

    def reply(body):
        text = body["messages"][0]["content"]
        return upstream.said(f"item {text.split()[1]}")

    upstream.reply = reply
    url = proxy(budget=BudgetConfig(first=2, most=2))
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        answers = await asyncio.gather(
            *(client.post(f"{url}/chat/completions", json=question(f"number {i} ?"))
              for i in range(200))
        )  # fmt: skip
        health = (await client.get(url.replace("/v1", "/health"))).json()
    assert [r.status_code for r in answers] == [200] * 200
    said = [r.json()["choices"][0]["message"]["content"] for r in answers]
    assert said == [f"item {i}" for i in range(200)]
    assert upstream.counts["finished"] == 400
    assert health == {"status": "ok", "in_flight": 0, "served": 200, "cancelled": 0}


async def test_upstream_work_is_cancelled_when_a_client_goes_away(upstream, proxy) -> None:
    upstream.latency_s = 30.0
    url = proxy()
    async with httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.post(f"{url}/chat/completions", json=question()))
        await until(lambda: upstream.counts["started"] == 3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: upstream.counts["cancelled"] == 3)
        health = url.replace("/v1", "/health")
        await until(lambda: httpx.get(health).json()["cancelled"] == 1)
    assert upstream.in_flight == 0


async def test_a_deadline_cancels_upstream_too(upstream, proxy) -> None:
    upstream.latency_s = 30.0
    answer = await post(proxy(serve=ServeConfig(deadline_s=0.3)), question())
    assert answer.status_code == 504
    assert "deadline_s" in answer.json()["error"]["message"]
    await until(lambda: upstream.in_flight == 0)


async def test_no_answer_is_an_error_with_the_raw_texts_never_a_guess(upstream, proxy) -> None:
    upstream.reply = lambda _: "I would say B"
    answer = await post(proxy(), question())
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["type"] == "no_answer"
    assert [c["text"] for c in error["candidates"]] == ["I would say B"] * 8


async def test_a_failing_endpoint_is_502(upstream, proxy) -> None:
    upstream.reply = lambda _: (500, "boom")
    answer = await post(proxy(), question())
    assert answer.status_code == 502
    assert "status 500" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ([], 400, "object"),
        ({"messages": []}, 400, "non-empty"),
        (question(n=2), 400, "n must be 1"),
        (question(tools=[{"type": "function"}]), 400, "tools"),
        (question(response_format={"type": "json_object"}), 400, "response_format"),
        (question(seed="x"), 400, "seed"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "last message"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]}, 400, "block"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}, 400,
         "PNG"),
        ({"messages": with_pictures(3)}, 413, "at most 2"),
        ({"messages": [{"role": "user", "content": [picture(size=(200, 100))]}]}, 413, "pixels"),
        (question("x" * 70_000), 413, "max_body_bytes"),
    ],
)  # fmt: skip
async def test_bad_requests_are_refused_before_any_call(
    upstream, proxy, body, status, problem
) -> None:
    limits = ServeConfig(max_body_bytes=65_536, max_images=2, max_image_pixels=10_000)
    answer = await post(proxy(serve=limits), body)
    assert answer.status_code == status
    assert problem in answer.json()["error"]["message"]
    assert upstream.bodies == []


async def test_requests_beyond_the_limit_get_429(upstream, proxy) -> None:
    upstream.hold_until = 7
    url = proxy(serve=ServeConfig(max_requests=2))
    taken = [asyncio.create_task(post(url, question())) for _ in range(2)]
    await until(lambda: upstream.counts["started"] == 6)
    refused = [await post(url, question()) for _ in range(3)]
    assert [r.status_code for r in refused] == [429] * 3
    assert refused[0].headers["retry-after"] == "1"
    upstream.hold_until = 0
    assert [(await task).status_code for task in taken] == [200, 200]


async def test_the_key_is_asked_for_and_never_passed_on(upstream, proxy, monkeypatch) -> None:
    url = proxy(key="client-key")
    assert (await post(url, question())).status_code == 401
    wrong = {"Authorization": "Bearer client-kez"}
    assert (await post(url, question(), headers=wrong)).status_code == 401
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/models")).status_code == 401
    right = {"Authorization": "Bearer client-key"}
    assert (await post(url, question(), headers=right)).status_code == 200
    assert set(upstream.keys) == {"Bearer not-needed"}


async def test_a_web_page_cannot_use_the_proxy_behind_its_owners_back(upstream, proxy) -> None:
    url = proxy()
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{url}/chat/completions", content=json.dumps(question()),
            headers={"Content-Type": "text/plain"},
        )  # fmt: skip
    assert answer.status_code == 415
    assert upstream.bodies == []


async def test_full_replies_and_the_clients_seed(upstream, proxy) -> None:
    url = proxy(serve=ServeConfig(reply="full"), views=ViewsConfig(diverse=False))
    answer = (await post(url, question(seed=5))).json()
    assert answer["choices"][0]["message"]["content"] == upstream.said("B")
    await post(url, question(seed=5))
    await post(url, question(seed=6))
    seeds = [b["seed"] for b in upstream.bodies]
    assert seeds[0] == seeds[1] != seeds[2]


def test_another_address_than_loopback_needs_a_key(monkeypatch) -> None:
    assert client_key(ServeConfig()) is None
    for host in ("0.0.0.0", "192.168.1.5", "example.org", ""):
        with pytest.raises(UserError, match="FFR_ELECT_KEY"):
            client_key(ServeConfig(host=host))
    monkeypatch.setenv("FFR_ELECT_KEY", "k3y")
    assert client_key(ServeConfig(host="0.0.0.0")) == "k3y"


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = ElectConfig(
            endpoint=EndpointConfig(base_url="http://127.0.0.1:9/v1"), serve=ServeConfig(port=port)
        )
        with pytest.raises(UserError, match=f"port {port}"):
            serve(config, lambda _: None)


def test_the_command_serves_until_it_is_told_to_stop(upstream) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ffr", "elect", "serve", "--endpoint", upstream.base_url,
         "--port", "0", "referee.when=off"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        url = process.stdout.readline().split()[-1]
        answer = httpx.post(f"{url}/chat/completions", json=question(), timeout=120)
        assert answer.json()["choices"][0]["message"]["content"] == "B"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
