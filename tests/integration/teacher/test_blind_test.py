"""The blind test of the leak gate, against a real HTTP server, alone and in the teacher loop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.config.teacher import BlindConfig, LeakConfig, StoreConfig, TeacherConfig
from ffr.data.question import Question
from ffr.demo.layout import VideoPlan
from ffr.errors import UserError
from ffr.patches.media import MediaStore
from ffr.patches.patch import EvidencePatch, NoPatch, PatchFrame, SpatialRegion
from ffr.repair.protocols import FailedRollout
from ffr.teacher.breaker import CircuitBreaker
from ffr.teacher.build import build_blind_test, build_teacher, key_maker
from ffr.teacher.client import ChatClient
from ffr.teacher.leakage import check_patch
from ffr.teacher.leakage.blind import BlindTest, Rate
from ffr.teacher.loop import OpenAITeacher
from teacher_tools.runner import ToolRunner
from teacher_tools.toolset import builtin_toolset

CRYPTIC = "It reminds of what a chess player leans over."  # no rule knows this
PLAIN = "Look at the whole frame from 2.0 to 4.0 seconds."
Make = Callable[..., BlindTest]


def told(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def guesser(server_type: Any, *, prior: str = "A", hint: str = "chess") -> Any:
    """A model that understands ``hint`` and otherwise answers ``prior``."""

    async def act(server: Any, writer: Any) -> None:
        answer = "B" if hint in told(server.bodies[-1]) else prior
        await server_type.say(f"<think><answer>C</answer></think><answer>{answer}</answer>")(
            server, writer
        )

    return act


def failing(server_type: Any, otherwise: Any, *, when: Callable[[str, int], bool]) -> Any:
    """Status 400 for requests that ``when`` (text, number of the request) picks."""

    async def act(server: Any, writer: Any) -> None:
        picked = when(told(server.bodies[-1]), len(server.bodies))
        await (server_type.fail(400) if picked else otherwise)(server, writer)

    return act


@pytest.fixture
def question(plan: VideoPlan) -> Question:
    return Question(
        id="q",
        video=f"videos/{plan.name}",
        question="Which shape appears at 3.0 seconds?",
        options=("circle", "square", "triangle", "cross"),
        answer_type="choice",
        answer="B",
    )


@pytest.fixture
async def blind_server(fault: Any) -> AsyncIterator[Any]:
    server = type(fault)()
    await server.start()
    server.script = [guesser(type(fault))]
    yield server
    await server.stop()


@pytest.fixture
async def make(blind_server: Any) -> AsyncIterator[Make]:
    made: list[BlindTest] = []

    def build(**options: Any) -> BlindTest:
        config = BlindConfig(model="m", base_url=blind_server.base_url, samples=4, **options)
        blind = build_blind_test(LeakConfig(blind=config))
        assert blind is not None
        made.append(blind)
        return blind

    yield build
    for blind in made:
        await blind.aclose()


def patch(guidance: str, **fields: Any) -> EvidencePatch:
    return EvidencePatch(error_types=("temporal",), guidance=guidance, **fields)


async def test_a_patch_that_tells_a_blind_reader_leaks(
    make: Make, question: Question, blind_server: Any
) -> None:
    assert check_patch(question, patch(CRYPTIC), "").passed
    blind, counters = make(), Counter[str]()
    verdict = await blind.check(question, patch(CRYPTIC), counters)
    assert verdict.verdict == "leak"
    assert (verdict.with_patch, verdict.without) == (Rate(1.0, 1.0), Rate(0.0, 0.0))
    assert (counters["blind_leak"], counters["blind_calls"]) == (1, 8)
    clean = await blind.check(question, patch(PLAIN), counters)
    assert clean.verdict == "clean"
    # The question alone was asked once, not once a patch.
    assert len(blind_server.bodies) == 12
    assert sum("Notes:" not in told(body) for body in blind_server.bodies) == 4


async def test_what_the_question_alone_tells_is_no_leak(
    make: Make, question: Question, blind_server: Any, fault: Any
) -> None:
    blind_server.script = [guesser(type(fault), prior="B")]
    verdict = await make().check(question, patch(CRYPTIC), Counter())
    assert (verdict.verdict, verdict.without) == ("clean", Rate(1.0, 1.0))


async def test_every_text_is_shown_and_nothing_else(
    make: Make, question: Question, blind_server: Any
) -> None:
    full = patch(
        "first-text",
        key_times_s=(3.0,),
        temporal_markers=("second-text",),
        spatial_regions=(SpatialRegion(t_s=3.0, box=(0.1, 0.2, 0.3, 0.4), desc="third-text"),),
        frames=(PatchFrame(t_s=3.5, label="fourth-text", image_sha256="0" * 64),),
    )
    await make().check(question, full, Counter())
    asked = [body for body in blind_server.bodies if "Notes:" in told(body)]
    for text in ("first-text", "second-text", "third-text", "fourth-text", "3.0 s", "B. square"):
        assert text in told(asked[0])
    wire = json.dumps(blind_server.bodies)
    assert "image_url" not in wire
    assert question.video not in wire
    assert "tools" not in asked[0]


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [
        (lambda text, _: True, "unknown"),
        (lambda text, _: "Notes:" in text, "unknown"),
        (lambda text, _: "Notes:" not in text, "unknown"),
        (lambda _, number: number == 1, "leak"),  # the other three decide
    ],
)
async def test_missing_answers_leave_it_open_unless_they_cannot_matter(
    make: Make, question: Question, blind_server: Any, fault: Any, failed: Any, verdict: str
) -> None:
    blind_server.script = [failing(type(fault), guesser(type(fault)), when=failed)]
    counters = Counter[str]()
    found = await make().check(question, patch(CRYPTIC), counters)
    assert found.verdict == verdict
    assert counters[f"blind_{verdict}"] == 1
    assert counters["blind_failed_provider_error"] >= 1


async def test_a_baseline_with_gaps_is_asked_for_again(
    make: Make, question: Question, blind_server: Any, fault: Any
) -> None:
    blind = make()
    blind_server.script = [fault.fail(400)]
    assert (await blind.check(question, patch(CRYPTIC), Counter())).verdict == "unknown"
    blind_server.script = [guesser(type(fault))]
    assert (await blind.check(question, patch(CRYPTIC), Counter())).verdict == "leak"


@pytest.mark.parametrize("reply", ["", "B", "<answer></answer>", "<answer>B", "no </answer> B"])
async def test_unreadable_answers_are_wrong_and_counted(
    make: Make, question: Question, blind_server: Any, fault: Any, reply: str
) -> None:
    blind_server.script = [fault.say(reply)]
    counters = Counter[str]()
    verdict = await make().check(question, patch(CRYPTIC), counters)
    assert verdict.verdict == "clean"
    assert counters["blind_unreadable"] == 8


def final(guidance: str) -> str:
    return json.dumps(
        {"error_types": ["temporal"], "guidance": guidance, "key_times_s": [3.0], "evidence": []}
    )


@pytest.fixture
async def teach(
    fault: Any, make: Make, runner: ToolRunner, media_root: Path, tmp_path: Path
) -> AsyncIterator[Callable[..., OpenAITeacher]]:
    clients: list[ChatClient] = []

    def build(**options: Any) -> OpenAITeacher:
        config = TeacherConfig(model="m", first_view_frames=2, max_tool_rounds=0)
        client = ChatClient(
            base_url=fault.base_url,
            api_key="none",
            model="m",
            temperature=0.0,
            max_output_tokens=100,
            call_timeout_s=5.0,
            retries=0,
            breaker=CircuitBreaker(8, 30.0),
            direct=True,
        )
        clients.append(client)
        media = MediaStore(tmp_path / "media")
        return OpenAITeacher(config, client, runner, media, media_root, blind=make(**options))

    yield build
    for client in clients:
        await client.aclose()


async def test_the_teacher_is_told_once_and_may_mend_it(
    fault: Any, teach: Any, question: Question
) -> None:
    fault.script = [fault.say(final(CRYPTIC)), fault.say(final(PLAIN))]
    diagnosis = await teach().diagnose(FailedRollout(question, "a circle", "A"))
    assert isinstance(diagnosis.outcome, EvidencePatch)
    assert diagnosis.outcome.guidance == PLAIN
    counters = dict(diagnosis.counters)
    assert (counters["blind_leak"], counters["blind_clean"], counters["calls"]) == (1, 1, 2)
    reason = fault.bodies[1]["messages"][-1]["content"][0]["text"]
    assert "never saw the video" in reason
    assert "square" not in reason


async def test_a_second_leak_ends_it(fault: Any, teach: Any, question: Question) -> None:
    fault.script = [fault.say(final(CRYPTIC))]
    diagnosis = await teach().diagnose(FailedRollout(question, "a circle", "A"))
    assert diagnosis.outcome == NoPatch(reason="leak", detail="blind_test")
    assert dict(diagnosis.counters)["leak_rejected"] == 2
    assert len(fault.bodies) == 2


async def test_what_the_rules_refuse_is_never_sent_to_the_blind_model(
    fault: Any, teach: Any, question: Question, blind_server: Any
) -> None:
    fault.script = [fault.say(final("A square appears."))]
    diagnosis = await teach().diagnose(FailedRollout(question, "a circle", "A"))
    assert isinstance(diagnosis.outcome, NoPatch)
    assert blind_server.bodies == []


@pytest.mark.parametrize("on_unknown", ["refuse", "pass"])
async def test_an_unknown_verdict_is_counted_and_decided_by_the_configuration(
    fault: Any, teach: Any, question: Question, blind_server: Any, on_unknown: str
) -> None:
    fault.script = [fault.say(final(PLAIN))]
    blind_server.script = [fault.fail(400)]
    diagnosis = await teach(on_unknown=on_unknown).diagnose(FailedRollout(question, "x", "A"))
    counters = dict(diagnosis.counters)
    assert counters["blind_unknown"] == 1
    assert len(fault.bodies) == 1  # the teacher did nothing wrong
    if on_unknown == "refuse":
        assert isinstance(diagnosis.outcome, NoPatch)
        assert diagnosis.outcome.reason == "blind_unknown"
    else:
        assert isinstance(diagnosis.outcome, EvidencePatch)
        assert counters["blind_unknown_passed"] == 1


def test_a_store_without_the_test_does_not_answer_for_a_run_with_it(question: Question) -> None:
    tools = builtin_toolset(("clip",))
    keys = {
        key_maker(TeacherConfig(leak=leak), tools).key("0" * 64, question, "A")
        for leak in (
            LeakConfig(),
            LeakConfig(blind=BlindConfig(model="m")),
            LeakConfig(blind=BlindConfig(model="m", samples=4)),
            LeakConfig(blind=BlindConfig(model="m", samples=4, call_timeout_s=9)),
        )
    }
    assert len(keys) == 3


def test_mistakes_in_its_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BLIND_KEY", raising=False)
    far = BlindConfig(model="m", base_url="http://example.org/v1", api_key_env="BLIND_KEY")
    with pytest.raises(UserError, match=r"BLIND_KEY \(teacher\.leak\.blind\.api_key_env\)"):
        build_blind_test(LeakConfig(blind=far))
    with pytest.raises(UserError, match=r"teacher\.leak\.blind\.base_url"):
        build_blind_test(LeakConfig(blind=BlindConfig(model="m", base_url="nowhere")))
    config = TeacherConfig(kind="annotations", leak=LeakConfig(blind=far))
    with pytest.raises(UserError, match="annotations only give times"):
        build_teacher(config, StoreConfig(), store_dir=tmp_path, media_root=tmp_path)
    assert build_blind_test(LeakConfig()) is None
    assert build_blind_test(LeakConfig(enabled=False, blind=far)) is None
