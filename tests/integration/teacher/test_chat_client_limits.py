"""Budgets, pace, odd endpoints and secrets of the client, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.data.question import Question
from ffr.demo.layout import VideoPlan
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.protocols import FailedRollout
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.build import build_teacher
from ffr.teacher.client import CallFailed, ChatClient
from ffr.teacher.loop import BudgetSpentError
from ffr.teacher.pace import Pace
from ffr.teacher.spending import Spending

MESSAGES = [{"role": "user", "content": "hello"}]
KEY = "Verysecret0123456789"
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
            "max_output_tokens": 50,
            "call_timeout_s": 30.0,
            "retries": 0,
            "breaker": CircuitBreaker(100, 30.0),
            "direct": True,
        }
        clients.append(ChatClient(**{**values, **options}))
        return clients[-1]

    yield build
    for client in clients:
        await client.aclose()


async def reason(client: ChatClient, **options: Any) -> str:
    try:
        await client.complete(MESSAGES, **options)
    except CallFailed as error:
        return error.reason
    return "ok"


async def test_a_budget_of_requests_counts_retries(fault: Any, make: Make) -> None:
    fault.script = [fault.fail(500, {"retry-after-ms": "1"}), fault.say("hi")]
    client = make(spending=Spending(max_requests=3), retries=2)
    assert [await reason(client) for _ in range(3)] == ["ok", "ok", "budget_spent"]
    assert len(fault.bodies) == client.spending.requests == 3


async def test_a_budget_of_tokens_holds_with_many_at_once(fault: Any, make: Make) -> None:
    fault.script = [fault.say("hi", delay_s=0.02)]  # reports 100 + 10 tokens
    client = make(spending=Spending(max_tokens=1100))
    assert await reason(client) == "ok"
    reasons = Counter(await asyncio.gather(*(reason(client) for _ in range(30))))
    assert set(reasons) == {"ok", "budget_spent"}
    assert 8 <= reasons["ok"] <= 9
    assert client.spending.used.total == 110 * len(fault.bodies) <= 1100


async def test_a_budget_of_money_and_its_counter(fault: Any, make: Make) -> None:
    fault.script = [fault.say("hi")]
    # 100 prompt and 10 reply tokens a call: 0.0002 + 0.0001
    client = make(spending=Spending(max_cost=0.00125, price_in=2.0, price_out=10.0))
    counters: Counter[str] = Counter()
    outcomes = [await reason(client, counters=counters) for _ in range(8)]
    assert outcomes.count("ok") == 4
    assert outcomes[-1] == "budget_spent"
    assert counters["cost_micros"] == 1200
    assert client.spending.cost == pytest.approx(0.0012)


async def test_an_endpoint_that_reports_no_usage_is_not_free(fault: Any, make: Make) -> None:
    body = {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
    fault.script = [fault.raw(json.dumps(body).encode())]
    client = make(spending=Spending(max_tokens=120))
    assert [await reason(client) for _ in range(3)] == ["ok", "ok", "budget_spent"]
    assert client.counters["usage_missing"] == 2


async def test_a_call_that_never_came_back_is_paid_and_a_refused_one_is_not(
    fault: Any, make: Make
) -> None:
    client = make(spending=Spending(max_tokens=10_000), call_timeout_s=0.2)
    fault.script = [fault.fail(400)]
    await reason(client)
    assert client.spending.used.total == 0
    fault.script = [fault.hang()]
    await reason(client)
    assert client.spending.used.total >= 50


async def test_the_pace_keeps_calls_back_and_names_itself(fault: Any, make: Make) -> None:
    fault.script = [fault.say("hi")]
    client = make(pace=Pace(2, None))
    assert [await reason(client) for _ in range(2)] == ["ok", "ok"]
    with pytest.raises(CallFailed, match=r"deadline: teacher\.requests_per_minute"):
        await client.complete(MESSAGES, ends_at=time.monotonic() + 5)
    assert len(fault.bodies) == 2


async def test_a_pace_in_tokens_learns_what_calls_use(fault: Any, make: Make) -> None:
    fault.script = [fault.say("hi")]
    client = make(pace=Pace(None, 350))
    outcomes = [await reason(client, ends_at=time.monotonic() + 5) for _ in range(5)]
    assert outcomes == ["ok"] * 3 + ["deadline"] * 2


@pytest.mark.parametrize(
    ("field", "complaint", "hint"),
    [
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "set teacher.token_limit_field=max_completion_tokens",
        ),
        (
            "max_completion_tokens",
            "Unrecognized request argument supplied: max_completion_tokens",
            "set teacher.token_limit_field=max_tokens",
        ),
        ("max_tokens", "'temperature' does not support 0.1 with this model", "set it to null"),
    ],
)
async def test_fields_an_endpoint_does_not_take_are_named_with_the_fix(
    fault: Any, make: Make, field: str, complaint: str, hint: str
) -> None:
    fault.script = [fault.fail(400, text=complaint)]
    with pytest.raises(CallFailed) as info:
        await make(token_limit_field=field, retries=2).complete(MESSAGES)
    assert hint in info.value.detail
    assert "status 400" in info.value.detail
    assert len(fault.bodies) == 1


async def test_a_limit_that_is_too_large_is_no_unknown_field(fault: Any, make: Make) -> None:
    fault.script = [fault.fail(400, text="max_tokens is too large: 99999")]
    with pytest.raises(CallFailed) as info:
        await make().complete(MESSAGES)
    assert "token_limit_field" not in info.value.detail


async def test_what_is_sent_follows_the_settings(fault: Any, make: Make) -> None:
    fault.script = [fault.say("hi")]
    await make(token_limit_field="max_completion_tokens", temperature=None).complete(MESSAGES)
    assert fault.bodies[0].keys() == {"model", "messages", "max_completion_tokens"}
    assert fault.bodies[0]["max_completion_tokens"] == 50


async def test_the_key_is_in_no_error_no_chain_no_log_and_no_reply(
    fault: Any, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make(retries=1)
    echo = f"your key {KEY} is bad, so is Bearer {KEY}"
    for action in (
        fault.fail(401, text=echo),
        fault.fail(500, {"retry-after-ms": "1"}, text=echo),
        fault.raw(f'{{"choices": "{KEY}"}}'.encode()),
        fault.reset(),
    ):
        fault.script = [action]
        with pytest.raises(CallFailed) as info:
            await client.complete(MESSAGES)
        error = info.value
        assert KEY not in "".join(traceback.format_exception(error))
        assert error.__cause__ is None
        assert KEY not in repr(error.__context__)
    fault.script = [fault.say(f"The key is {KEY}.")]
    assert (await client.complete(MESSAGES)).content == "The key is ***."
    logged = [logging.Formatter().format(record) for record in caplog.records]
    assert len(logged) > 20  # also the libraries', at their most talkative
    assert not [line for line in logged if KEY in line]


@pytest.mark.parametrize("then", ["go_on", "stop"])
async def test_a_spent_budget_goes_on_without_patches_or_stops_the_run(
    fault: Any, plan: VideoPlan, media_root: Path, tmp_path: Path, then: Any
) -> None:
    answer = {"error_types": ["temporal"], "guidance": "Look from 2.0 to 4.0 seconds.",
              "key_times_s": [3.0], "evidence": []}  # fmt: skip
    fault.script = [fault.say(json.dumps(answer))]
    question = Question(id="q", video=f"videos/{plan.name}", question="What appears?",
                        answer_type="text", answer="zyx")  # fmt: skip
    config = TeacherConfig(base_url=fault.base_url, max_requests=3, on_budget_spent=then,
                           first_view_frames=2)  # fmt: skip
    teacher = build_teacher(
        config, StoreConfig(), store_dir=tmp_path / "store", media_root=media_root
    )
    asked = [FailedRollout(question, "x", f"wrong {number}") for number in range(5)]
    for failed in asked[:3]:
        assert isinstance((await teacher.diagnose(failed)).outcome, EvidencePatch)
    if then == "stop":
        with pytest.raises(BudgetSpentError, match=r"teacher\.max_requests=3 is spent"):
            await teacher.diagnose(asked[3])
    else:
        for failed in asked[3:]:
            outcome = (await teacher.diagnose(failed)).outcome
            assert isinstance(outcome, NoPatch)
            assert outcome.reason == "budget_spent"
        assert teacher.health.no_patch == {"budget_spent": 2}
    await teacher.aclose()
    assert len(fault.bodies) == 3


async def test_nobody_waits_longer_than_the_steps_deadline(
    fault: Any, plan: VideoPlan, media_root: Path, tmp_path: Path
) -> None:
    fault.script = [fault.hang()]
    config = TeacherConfig(
        base_url=fault.base_url, concurrency=1, step_deadline_s=0.6, first_view_frames=1, retries=0
    )
    question = Question(
        id="q", video=f"videos/{plan.name}", question="What?", answer_type="text", answer="zyx"
    )
    teacher = build_teacher(
        config, StoreConfig(), store_dir=tmp_path / "store", media_root=media_root
    )
    results = await asyncio.gather(
        *(teacher.diagnose(FailedRollout(question, "x", f"wrong {n}")) for n in range(5))
    )
    await teacher.aclose()
    assert {r.outcome.reason for r in results if isinstance(r.outcome, NoPatch)} == {"deadline"}
    assert teacher.health.no_patch == {"deadline": 5}
    assert len(fault.bodies) <= 1  # the others never got a place
