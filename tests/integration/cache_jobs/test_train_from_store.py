"""Training over a complete store: the repair loop, no teacher call, no connection of any kind."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffr.cache_jobs.plain_renderer import PlainRenderer
from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.config.rewards import RewardConfig
from ffr.config.student import FramesConfig, StudentConfig
from ffr.config.teacher import StoreConfig
from ffr.data.load import load_questions
from ffr.data.question import option_letters
from ffr.patches.patch import EvidencePatch
from ffr.patches.store import PatchStore
from ffr.repair.loop import RepairLoop
from ffr.repair.protocols import Rollout
from ffr.teacher.build import build_teacher
from ffr.teacher.stored import StoreMissError

STUDENT = StudentConfig(frames=FramesConfig(count=4, exact_size=(32, 32), size_multiple=16,
                                            patch_exact_size=(32, 32)))  # fmt: skip


class EveryWrongOption:
    """Gives each wrong option in turn; with a patch, the gold one."""

    def __init__(self, questions) -> None:
        self.questions = {q.id: q for q in questions}
        self.said: Counter[str] = Counter()

    async def answer(self, prompt) -> Rollout:
        question = self.questions[prompt.question_id]
        wrong = [x for x in option_letters(len(question.options)) if x != question.answer]
        letter = wrong[self.said[question.id] % len(wrong)]
        if prompt.patch_id is not None:
            letter = question.answer
        else:
            self.said[question.id] += 1
        text = f"<think>I look.</think><answer>{letter}</answer>"
        return Rollout(prompt, text, (1, 2, 3), "stop", (-0.1,) * 3, (7, 8))


@contextlib.contextmanager
def no_network() -> Iterator[list[object]]:
    """Every attempt to connect, to send or to resolve a name is recorded and refused."""
    attempts: list[object] = []

    def refuse(*arguments: object) -> None:
        attempts.append(arguments)
        raise OSError("no network in this test")

    with pytest.MonkeyPatch.context() as patched:
        for name in ("connect", "connect_ex", "sendto"):
            patched.setattr(socket.socket, name, refuse)
        patched.setattr(socket, "getaddrinfo", refuse)
        patched.setattr(socket, "create_connection", refuse)
        yield attempts


@pytest.mark.parametrize(
    ("kind", "on_miss"), [("demo", "fail"), ("openai", "skip"), ("replay", "live")]
)
async def test_a_complete_store_needs_no_teacher_and_no_network(
    filled, world, server, requests_of, kind, on_miss
):
    questions = [q for q in load_questions(world.train).questions if q.options]
    store = Path(str(filled.output)) / "patches"
    before = requests_of(server)
    with no_network() as attempts:
        teacher = build_teacher(
            filled.teacher.model_copy(update={"kind": kind}), StoreConfig(on_miss=on_miss),
            store_dir=store, media_root=world.root,
        )  # fmt: skip
        loop = RepairLoop(
            EveryWrongOption(questions), teacher,
            PlainRenderer(STUDENT, world.root, PatchStore(store).media),
            RepairConfig(when="always"), RewardConfig(), AdvantageConfig(), group_size=6,
        )  # fmt: skip
        results = [await loop.run_group(question) for question in questions]
        await teacher.aclose()
    outcomes = [outcome for result in results for outcome in result.record.outcomes]
    assert len(outcomes) == 6 * 5
    assert {o.diagnosis.source for o in outcomes} == {"store"}
    assert all(o.second is not None and o.second.right for o in outcomes)
    assert sum(o.diagnosis.counters.get("store_misses", 0) for o in outcomes) == 0
    assert attempts == []
    assert requests_of(server) == before


def test_the_guard_would_notice_a_connection(server):
    with no_network() as attempts, pytest.raises(OSError, match="no network"):
        socket.create_connection(("127.0.0.1", server.port))
    assert len(attempts) == 1


async def test_what_is_not_stored_is_skipped_or_ends_the_run_but_asks_nobody(
    filled, world
):
    from ffr.cache_jobs.items import Failure

    question = next(q for q in load_questions(world.train).questions if q.options)
    odd = Failure(question=question, response_text="x", wrong_answer="banana").rollout
    known = Failure(
        question=question, response_text="x",
        wrong_answer=next(x for x in "ABCD" if x != question.answer),
    ).rollout  # fmt: skip
    folders = {"store_dir": Path(str(filled.output)) / "patches", "media_root": world.root}
    with no_network() as attempts:
        skip = build_teacher(filled.teacher, StoreConfig(on_miss="skip"), **folders)
        assert (await skip.diagnose(odd)).outcome.reason == "store_miss"
        assert isinstance((await skip.diagnose(known)).outcome, EvidencePatch)
        await skip.aclose()
        fail = build_teacher(filled.teacher, StoreConfig(on_miss="fail"), **folders)
        with pytest.raises(StoreMissError, match="banana"):
            await fail.diagnose(odd)
        await fail.aclose()
    assert attempts == []
