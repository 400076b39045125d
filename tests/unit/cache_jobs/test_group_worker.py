"""One writer: the journal around each diagnosis, stopping, an open circuit, single failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.cache_jobs.items import ItemResult
from ffr.cache_jobs.journal import read_journals
from ffr.cache_jobs.worker import GroupWorker, WorkerSetup
from ffr.config.teacher import StoreConfig, TeacherConfig
from ffr.errors import UserError
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.health import TeacherHealth

PATCH = EvidencePatch(error_types=("temporal",), guidance="Look from 2 to 4 seconds.")


class FakeTeacher:
    """Gives what ``script`` says for a question, else a patch; the last entry repeats."""

    def __init__(self, script: dict[str, list[Any]] | None = None) -> None:
        self.health = TeacherHealth()
        self.script = script or {}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked_twice = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        name = failed.question.id
        self.asked.append(name)
        if len(self.asked) == 2:
            self.asked_twice.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        said = self.script.get(name, [PATCH])
        outcome = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(outcome, Exception):
            raise outcome
        calls = (("calls", 2.0), ("tokens_in", 50.0), ("calls", 1.0))
        return Diagnosis(outcome, "live", 1.5, (("zoom", 2, 1), ("clip", 1, 0)), calls)

    async def aclose(self) -> None:
        pass


@pytest.fixture
def writer(tmp_path: Path) -> Callable[..., GroupWorker]:
    def build(teacher: FakeTeacher, *, concurrency: int = 2, wait: float = 0.0) -> GroupWorker:
        setup = WorkerSetup(
            teacher=TeacherConfig(concurrency=concurrency, breaker_reset_s=0.001),
            store=StoreConfig(), store_dir="s", media_root="m",
            journal_dir=str(tmp_path / "journal"), wait_for_teacher_s=wait,
        )  # fmt: skip
        return GroupWorker(setup, teacher)

    return build


async def test_results_carry_outcome_cost_and_tools_and_the_journal_frames_each(
    writer, make, tmp_path
):
    teacher = FakeTeacher({"q-b": [NoPatch(reason="leak", detail="letter")]})
    results: list[ItemResult] = []
    await writer(teacher).run(make.group("v", "a", "b"), results.append)
    first, second = sorted(results, key=lambda r: r.key)
    assert (first.outcome, second.outcome, second.detail) == ("patch", "leak", "letter")
    assert first.counters == {
        "calls": 3.0, "tokens_in": 50.0, "tool_zoom": 2.0, "tool_clip": 1.0, "tool_calls": 3.0,
        "tool_failures": 1.0,
    }  # fmt: skip
    lines = list(read_journals(tmp_path / "journal"))
    for key in ("a", "b"):
        events = [line for line in lines if line["key"] == key]
        assert [line["event"] for line in events] == ["start", "end"]
        assert events[1]["calls"] == 3
    assert WorkerSetup.model_validate_json(
        WorkerSetup(teacher=TeacherConfig(), store=StoreConfig(), store_dir="s", media_root="m",
                    journal_dir="j").model_dump_json()
    ).concurrency == 16  # fmt: skip


async def test_no_more_at_once_than_its_share(writer, make):
    teacher = FakeTeacher()
    worker = writer(teacher, concurrency=3)
    groups = [make.group(f"v{n}", *(f"{n}{c}" for c in "abcd")) for n in range(4)]
    await asyncio.gather(*(worker.run(group, lambda _: None) for group in groups))
    assert teacher.most_at_once == 3
    assert len(teacher.asked) == 16


async def test_after_stop_what_is_under_way_ends_and_nothing_begins(writer, make, tmp_path):
    teacher = FakeTeacher()
    teacher.gate.clear()
    worker, results = writer(teacher, concurrency=2), []
    task = asyncio.create_task(worker.run(make.group("v", *"abcde"), results.append))
    await teacher.asked_twice.wait()
    worker.stop()
    teacher.gate.set()
    await task
    assert [r.key for r in results] == ["a", "b"]
    assert len(teacher.asked) == 2
    assert {line["key"] for line in read_journals(tmp_path / "journal")} == {"a", "b"}


async def test_an_open_circuit_is_waited_out_instead_of_burning_the_list(writer, make):
    closed = NoPatch(reason="circuit_open")
    teacher = FakeTeacher({"q-a": [closed, closed, closed, PATCH]})
    results: list[ItemResult] = []
    await writer(teacher, wait=60.0).run(make.group("v", "a"), results.append)
    assert results[0].outcome == "patch"
    assert len(teacher.asked) == 4


async def test_a_teacher_that_answers_nobody_for_too_long_stops_the_writer(writer, make):
    down = {f"q-{key}": [NoPatch(reason="circuit_open")] for key in "abcdefgh"}
    down["q-a"] = [NoPatch(reason="provider_error")]
    teacher, results = FakeTeacher(down), []
    worker = writer(teacher, concurrency=2, wait=0.02)
    await worker.run(make.group("v", *"abcdefgh"), results.append)
    assert 1 <= sum(r.outcome == "circuit_open" for r in results) <= 3
    assert len(results) < 8


async def test_an_answer_in_between_starts_the_waiting_anew(writer, make):
    closed = NoPatch(reason="circuit_open")
    teacher = FakeTeacher({f"q-{key}": [closed, PATCH] for key in "abcdefgh"})
    results: list[ItemResult] = []
    await writer(teacher, concurrency=1, wait=0.5).run(
        make.group("v", *"abcdefgh"), results.append
    )
    assert {r.outcome for r in results} == {"patch"}
    assert len(results) == 8


async def test_a_stop_ends_the_waiting(writer, make):
    teacher = FakeTeacher({"q-a": [NoPatch(reason="circuit_open")]})
    worker, results = writer(teacher, wait=3600.0), []
    task = asyncio.create_task(worker.run(make.group("v", "a"), results.append))
    await teacher.asked_twice.wait()
    worker.stop()
    await asyncio.wait_for(task, 10)
    assert results[0].outcome == "circuit_open"


async def test_a_bug_over_one_item_is_that_items_failure(writer, make):
    teacher = FakeTeacher({"q-b": [ZeroDivisionError("oops")]})
    results: list[ItemResult] = []
    await writer(teacher).run(make.group("v", "a", "b", "c"), results.append)
    assert {r.key: r.outcome for r in results} == {"a": "patch", "b": "error", "c": "patch"}
    assert "ZeroDivisionError: oops" in next(r.detail for r in results if r.key == "b")


async def test_what_only_the_user_can_mend_ends_the_writer(writer, make):
    teacher = FakeTeacher({"q-a": [UserError("disk full")]})
    results: list[ItemResult] = []
    with pytest.raises(UserError, match="disk full"):
        await writer(teacher, concurrency=2).run(make.group("v", *"abcdef"), results.append)
    assert len(teacher.asked) <= 3
    assert len(results) == len(teacher.asked) - 1
