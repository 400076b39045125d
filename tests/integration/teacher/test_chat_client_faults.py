"""The client against a server that misbehaves: what is retried, how long, and what is counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.client import CallFailed, ChatClient, ChatReply

MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "sk-verysecret0123456789"
Make = Callable[..., ChatClient]


@pytest.fixture
async def make(fault: Any) -> AsyncIterator[Make]:
    clients: list[ChatClient] = []

    def build(**options: Any) -> ChatClient:
        values: dict[str, Any] = {
            "base_url": fault.base_url,
            "api_key": KEY,
            "model": "m",
            "temperature": 0.1,
            "max_output_tokens": 99,
            "call_timeout_s": 5.0,
            "retries": 2,
            "breaker": CircuitBreaker(100, 30.0),
            "direct": True,
        }
        clients.append(ChatClient(**{**values, **options}))
        return clients[-1]

    yield build
    for client in clients:
        await client.aclose()


async def failed(client: ChatClient, **options: Any) -> CallFailed:
    with pytest.raises(CallFailed) as info:
        await client.complete(MESSAGES, **options)
    return info.value


async def test_a_reply_with_tool_calls(fault: Any, make: Make) -> None:
    fault.script = [fault.say(None, tools=[("clip", '{"start_s": 1}')], finish="tool_calls")]
    counters: Counter[str] = Counter()
    tools = [{"type": "function", "function": {"name": "clip", "parameters": {}}}]
    reply = await make().complete(MESSAGES, tools=tools, counters=counters)
    assert reply.content == ""
    assert [(r.name, r.arguments) for r in reply.tool_requests] == [("clip", '{"start_s": 1}')]
    assert counters == {"calls": 1, "call_ok": 1, "tokens_in": 100, "tokens_out": 10}
    body = fault.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.1, 99)
    assert body["messages"] == MESSAGES
    assert (body["tools"], body["tool_choice"]) == (tools, "auto")
    assert fault.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_no_tools_are_not_mentioned_and_none_may_be_forbidden(fault: Any, make: Make) -> None:
    fault.script = [fault.say("hi", finish="length")]
    client = make()
    assert await client.complete(MESSAGES) == ChatReply("hi", (), cut_off=True)
    await client.complete(MESSAGES, tools=[{"type": "function"}], may_call_tools=False)
    assert "tools" not in fault.bodies[0]
    assert "tool_choice" not in fault.bodies[0]
    assert fault.bodies[1]["tool_choice"] == "none"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_passing_failures_are_retried(fault: Any, make: Make, status: int) -> None:
    fault.script = [fault.fail(status, {"retry-after-ms": "1"}), fault.say("hi")]
    client = make()
    assert (await client.complete(MESSAGES)).content == "hi"
    assert client.counters["retries"] == 1
    assert client.counters[f"call_status_{status}"] == 1
    assert client.counters["calls"] == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
async def test_other_statuses_are_never_retried(fault: Any, make: Make, status: int) -> None:
    fault.script = [fault.fail(status, {"location": "http://127.0.0.1:1/"})]
    error = await failed(make())
    assert error.reason == "provider_error"
    assert f"status {status}" in error.detail
    assert len(fault.bodies) == 1


async def test_retries_end(fault: Any, make: Make) -> None:
    fault.script = [fault.fail(500, {"retry-after-ms": "1"})]
    client = make()
    assert (await failed(client)).reason == "provider_error"
    assert len(fault.bodies) == 3
    assert client.counters["retries"] == 2


async def test_back_off_without_retry_after(fault: Any, make: Make) -> None:
    fault.script = [fault.fail(429), fault.say("hi")]
    started = time.monotonic()
    assert (await make().complete(MESSAGES)).content == "hi"
    assert time.monotonic() - started < 3.0


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "date"])
async def test_retry_after_is_honoured(fault: Any, make: Make, form: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    asked = {
        "seconds": {"retry-after": "0.4"},
        "milliseconds": {"retry-after-ms": "400"},
        "date": {"retry-after": date},
    }[form]
    fault.script = [fault.fail(429, asked), fault.say("hi")]
    await make().complete(MESSAGES)
    assert fault.times[1] - fault.times[0] >= 0.4


@pytest.mark.parametrize("asked", ["3600", "inf", "-1", "soon", ""])
async def test_odd_or_endless_retry_after_never_blocks(fault: Any, make: Make, asked: str) -> None:
    fault.script = [fault.fail(429, {"retry-after": asked})]
    started = time.monotonic()
    error = await failed(make(retries=1), ends_at=started + 2.0)
    assert error.reason == "provider_error"
    assert time.monotonic() - started < 10.0


async def test_a_hanging_call_times_out_and_is_retried(fault: Any, make: Make) -> None:
    fault.script = [fault.hang(), fault.say("hi")]
    client = make(call_timeout_s=1.0)
    assert (await client.complete(MESSAGES)).content == "hi"
    assert client.counters["call_timeout"] == 1
    fault.script = [fault.hang()]
    error = await failed(make(call_timeout_s=0.2, retries=0))
    assert (error.reason, error.detail) == ("timeout", "no reply within call_timeout_s=0.2")


async def test_a_dropped_connection_is_retried(fault: Any, make: Make) -> None:
    fault.script = [fault.reset(), fault.say("hi")]
    client = make()
    assert (await client.complete(MESSAGES)).content == "hi"
    assert client.counters["call_connection"] == 1


async def test_nobody_listens(make: Make) -> None:
    error = await failed(make(base_url="http://127.0.0.1:9/v1", retries=0))
    assert error.reason == "provider_error"
    assert error.detail.startswith("no connection")


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "c", "choices": [{"index": 0, "mess',
        b"{}",
        b"[]",
        b"null",
        b'"text"',
        b"",
        b"\xff\xfe",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": [{"index": 0}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [{"id": "a"}]}}]}',
        b'{"choices": [{"message": {"tool_calls": [{"id": 1, "function": {"name": 2}}]}}]}',
    ],
)
async def test_bodies_that_are_no_completion(fault: Any, make: Make, body: bytes) -> None:
    fault.script = [fault.raw(body)]
    client = make()
    error = await failed(client)
    assert error.reason == "provider_error"
    assert len(fault.bodies) == 1
    assert client.counters["call_malformed"] == 1


async def test_a_web_page_instead_of_json(fault: Any, make: Make) -> None:
    fault.script = [fault.raw(b"<html>login</html>", headers={"Content-Type": "text/html"})]
    assert (await failed(make())).reason == "provider_error"


async def test_the_key_never_shows(fault: Any, make: Make) -> None:
    text = f"Incorrect API key {KEY}, also sk-anotherone12345 and Bearer abcdef"
    fault.script = [fault.fail(401, text=text)]
    error = await failed(make())
    for secret in (KEY, "anotherone", "abcdef"):
        assert secret not in str(error)
    assert "***" in str(error)


async def test_the_breaker_opens_and_recovers(fault: Any, make: Make) -> None:
    fault.script = [fault.fail(500)]
    breaker = CircuitBreaker(2, 0.8)
    client = make(retries=0, breaker=breaker)
    assert [(await failed(client)).reason for _ in range(4)] == [
        "provider_error",
        "provider_error",
        "circuit_open",
        "circuit_open",
    ]
    assert len(fault.bodies) == 2
    with pytest.raises(CallFailed, match="circuit_open"):
        client.check_available()
    await asyncio.sleep(0.85)
    client.check_available()
    fault.script = [fault.say("hi")]
    assert (await client.complete(MESSAGES)).content == "hi"
    assert not breaker.is_open


@pytest.mark.parametrize("status", [400, 429])
async def test_refused_requests_leave_the_circuit_closed(
    fault: Any, make: Make, status: int
) -> None:
    fault.script = [fault.fail(status)]
    breaker = CircuitBreaker(2, 30.0)
    client = make(retries=0, breaker=breaker)
    for _ in range(4):
        await failed(client)
    assert not breaker.is_open


async def test_no_attempt_starts_after_the_deadline(fault: Any, make: Make) -> None:
    fault.script = [fault.fail(503, {"retry-after": "0.5"})]
    await failed(make(retries=10), ends_at=time.monotonic() + 0.3)
    assert len(fault.bodies) == 1


async def test_proxies_of_the_environment_are_ignored_for_this_machine(
    fault: Any, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fault.script = [fault.say("hi")]
    assert (await make().complete(MESSAGES)).content == "hi"
