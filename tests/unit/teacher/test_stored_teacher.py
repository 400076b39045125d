"""The store in front of a teacher: hits, misses, single flight, retries of failures, read-back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ffr.data.question import Question
from ffr.errors import UserError
from ffr.patches.files import StoreError
from ffr.patches.keys import KeyMaker
from ffr.patches.looks import ShownPicture, ToolLook
from ffr.patches.patch import EvidencePatch, NoPatch
from ffr.patches.review import Mark
from ffr.patches.store import PatchStore
from ffr.repair.protocols import Diagnosis, FailedRollout
from ffr.teacher.health import TeacherHealth
from ffr.teacher.stored import StoredTeacher, StoreMissError

KEYS = KeyMaker("m", "p", {}, True, {"frames": 4})
PATCH = EvidencePatch(error_types=("temporal",), guidance="Look from 2 to 4 seconds.")
LOOK = ToolLook(name="clip", arguments="{}", shown=(ShownPicture(t_s=2.0),))
LEAKY = EvidencePatch(error_types=("temporal",), guidance="It is the red one.")
QUESTION = Question(
    id="q", video="v.mp4", question="Which colour?", answer_type="text", answer="red"
)


def failure(wrong: str | None = "blue", question: Question = QUESTION) -> FailedRollout:
    return FailedRollout(question, "I think blue.", wrong)


class Live:
    """A live teacher with a script of outcomes; the last one repeats."""

    def __init__(self, *outcomes: EvidencePatch | NoPatch | Exception) -> None:
        self.health = TeacherHealth()
        self.outcomes = list(outcomes)
        self.asked = 0
        self.closed = False
        self.entered: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()

    async def diagnose(self, failed: FailedRollout) -> Diagnosis:
        self.asked += 1
        self.entered.put_nowait(failed.question.id)
        await self.gate.wait()
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return Diagnosis(outcome, "live", 1.0, (("clip", 2, 1),), (("calls", 3.0),), (LOOK,))

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., StoredTeacher]:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "v.mp4").write_bytes(b"video")

    def build(live: Live | None, on_miss: Any = "live", **options: Any) -> StoredTeacher:
        store = PatchStore(tmp_path / "store")
        return StoredTeacher(store, KEYS, tmp_path / "media", live, on_miss, **options)

    return build


Make = Callable[..., StoredTeacher]


async def test_live_then_stored_also_for_another_process(make: Make) -> None:
    live = Live(PATCH)
    first = await make(live).diagnose(failure())
    assert (first.outcome, first.source, first.tool_calls) == (PATCH, "live", (("clip", 2, 1),))
    assert dict(first.counters) == {"calls": 3.0, "store_misses": 1.0}
    again = make(live)
    second = await again.diagnose(failure(" BLUE. "))
    assert (second.outcome, second.source, second.tool_calls) == (PATCH, "store", ())
    assert first.looks == second.looks == (LOOK,)
    assert dict(second.counters) == {"store_hits": 1.0}
    assert live.asked == 1
    assert (await again.diagnose(failure("green"))).source == "live"
    await again.aclose()
    assert live.closed


async def test_equal_requests_in_flight_share_one_diagnosis(make: Make) -> None:
    live = Live(PATCH)
    live.gate.clear()
    teacher = make(live)
    tasks = [asyncio.ensure_future(teacher.diagnose(failure())) for _ in range(8)]
    other = asyncio.ensure_future(teacher.diagnose(failure("green")))
    await live.entered.get()
    await live.entered.get()
    live.gate.set()
    results = await asyncio.gather(*tasks)
    assert (await other).source == "live"
    assert live.asked == 2
    assert sorted(r.source for r in results) == ["live"] + ["store"] * 7
    assert {r.outcome for r in results} == {PATCH}
    shared = [dict(r.counters) for r in results if r.source == "store"]
    assert all(c in ({"joined": 1.0}, {"store_hits": 1.0}) for c in shared)
    assert {"joined": 1.0} in shared
    assert all(r.tool_calls == () for r in results if r.source == "store")


async def test_a_cancelled_caller_does_not_lose_a_paid_call(make: Make) -> None:
    live = Live(PATCH)
    live.gate.clear()
    teacher = make(live)
    task = asyncio.ensure_future(teacher.diagnose(failure()))
    await live.entered.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    live.gate.set()
    await teacher.aclose()
    assert (await make(None, "skip").diagnose(failure())).outcome == PATCH


async def test_miss_policies(make: Make) -> None:
    for on_miss in ("skip", "live"):
        result = await make(None, on_miss).diagnose(failure())
        assert isinstance(result.outcome, NoPatch)
        assert (result.outcome.reason, result.source) == ("store_miss", "none")
    live = Live(PATCH)
    assert (await make(live, "skip").diagnose(failure())).source == "none"
    assert live.asked == 0
    with pytest.raises(StoreMissError, match=r"id='q'.*'blue'.*on_miss=live"):
        await make(live, "fail").diagnose(failure())
    assert issubclass(StoreMissError, UserError)


@pytest.mark.parametrize("reason", ["leak", "invalid_output", "media_error"])
async def test_unusable_answers_are_served_after_two_tries(make: Make, reason: Any) -> None:
    live = Live(NoPatch(reason=reason, detail="d"))
    for _ in range(4):
        result = await make(live).diagnose(failure())
        assert result.outcome == NoPatch(reason=reason, detail="d")
    assert live.asked == 2
    assert result.source == "store"


@pytest.mark.parametrize("reason", ["timeout", "deadline", "provider_error"])
async def test_provider_failures_are_tried_again_in_every_run(make: Make, reason: Any) -> None:
    live = Live(NoPatch(reason=reason))
    for _ in range(3):
        teacher = make(live)
        before = live.asked
        for _ in range(4):
            assert isinstance((await teacher.diagnose(failure())).outcome, NoPatch)
        assert live.asked == before + 2
    live.outcomes = [PATCH]
    assert (await make(live).diagnose(failure())).outcome == PATCH
    assert (await make(None).diagnose(failure())).source == "store"


@pytest.mark.parametrize("reason", ["circuit_open", "budget_spent"])
async def test_nothing_is_stored_when_nobody_was_asked(make: Make, reason: Any) -> None:
    teacher = make(Live(NoPatch(reason=reason)))
    await teacher.diagnose(failure())
    assert teacher.store.counters.written == 0


async def test_stored_failures_are_replayed_without_a_live_teacher(make: Make) -> None:
    await make(Live(NoPatch(reason="timeout"))).diagnose(failure())
    result = await make(None).diagnose(failure())
    assert result.outcome == NoPatch(reason="timeout")


async def test_a_stored_patch_passes_the_gate_again(make: Make) -> None:
    await make(Live(LEAKY)).diagnose(failure())
    result = await make(None).diagnose(failure())
    assert isinstance(result.outcome, NoPatch)
    assert result.outcome.reason == "leak"
    assert dict(result.counters)["leak_gold_text"] == 1.0
    trusting = await make(None, leak_gate=False).diagnose(failure())
    assert trusting.outcome == LEAKY


async def test_write_only_store(make: Make) -> None:
    live = Live(PATCH)
    teacher = make(live, read=False)
    for _ in range(2):
        assert (await teacher.diagnose(failure())).source == "live"
    assert live.asked == 2


async def test_a_missing_video_is_a_counted_refusal(make: Make) -> None:
    live = Live(PATCH)
    for video in ("gone.mp4", "../secret.mp4", "/etc/passwd"):
        question = QUESTION.model_copy(update={"video": video})
        result = await make(live).diagnose(failure(question=question))
        assert isinstance(result.outcome, NoPatch)
        assert result.outcome.reason == "media_error"
    assert live.asked == 0


async def test_a_store_that_cannot_be_written_ends_the_run_readably(make: Make) -> None:
    teacher = make(Live(PATCH))
    teacher.store.root.mkdir()
    (teacher.store.root / "records").write_text("a file in the way")
    with pytest.raises(StoreError, match="choose another folder"):
        await teacher.diagnose(failure())


async def test_errors_reach_everybody_who_waits(make: Make) -> None:
    live = Live(UserError("stop"))
    live.gate.clear()
    teacher = make(live)
    tasks = [asyncio.ensure_future(teacher.diagnose(failure())) for _ in range(3)]
    await live.entered.get()
    live.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r) for r in results] == [UserError] * 3


async def test_a_rejected_patch_is_never_served_nor_made_again(make: Make) -> None:
    live = Live(PATCH)
    teacher = make(live)
    await teacher.diagnose(failure())
    (path,) = (teacher.store.root / "records").rglob("*.json")
    mark = Mark(patch_id=PATCH.patch_id, verdict="reject", by="Ada", why="blurred")
    teacher.store.reviews.add(path.stem, mark)
    for _ in range(2):
        served = await make(live).diagnose(failure())
        assert isinstance(served.outcome, NoPatch)
        assert (served.outcome.reason, served.source) == ("rejected", "store")
        assert "by Ada" in served.outcome.detail
    assert live.asked == 1
    assert (await make(None, "fail").diagnose(failure())).source == "store"  # not a miss


async def test_without_reading_a_rejected_patch_made_anew_is_still_rejected(make: Make) -> None:
    better = PATCH.model_copy(update={"guidance": "Look from 3 to 5 seconds."})
    live = Live(PATCH, PATCH, better)
    teacher = make(live)
    await teacher.diagnose(failure())
    (path,) = (teacher.store.root / "records").rglob("*.json")
    mark = Mark(patch_id=PATCH.patch_id, verdict="reject", by="Ada")
    teacher.store.reviews.add(path.stem, mark)
    again = await make(live, read=False).diagnose(failure())
    assert isinstance(again.outcome, NoPatch)
    assert again.outcome.reason == "rejected"
    assert (await make(live, read=False).diagnose(failure())).outcome == better
    assert (await make(None, "skip").diagnose(failure())).outcome == better
