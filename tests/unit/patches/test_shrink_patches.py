"""Shrinking: what is kept is what the judge needs, and every request gets an outcome."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.rewards import RewardConfig
from ffr.data.question import AskedQuestion, Question
from ffr.patches.files import StoreError
from ffr.patches.patch import EvidencePatch, PatchFrame, SpatialRegion
from ffr.patches.shrink import Judge, part_names, shrink_patch, with_parts
from ffr.patches.shrink_judges import JudgeError, StudentJudge, TeacherJudge
from ffr.patches.shrink_store import shrink_store
from ffr.patches.store import PatchStore
from ffr.patches.walk import all_keys, loose_images
from ffr.repair.protocols import Rollout
from student.prompt_parts import StudentPrompt

QUESTION = Question(
    id="q0", video="v.mp4", question="Which?", options=("cat", "dog"), answer_type="choice",
    answer="B",
)  # fmt: skip


def patch_of(frames: int, regions: int = 0) -> EvidencePatch:
    return EvidencePatch(
        error_types=("spatial",),
        guidance="Look again.",
        key_times_s=(1.0,),
        frames=tuple(PatchFrame(t_s=float(i), image_sha256=f"{i:064x}") for i in range(frames)),
        spatial_regions=tuple(SpatialRegion(t_s=float(i), desc="d") for i in range(regions)),
    )


class Needs:
    """Holds when any one of these sets of parts is there."""

    def __init__(self, whole: EvidencePatch, *sets: set[str]) -> None:
        self.sets = sets
        self.asked: list[tuple[str, ...] | None] = []
        self._names = dict(zip([*whole.frames, *whole.spatial_regions], part_names(whole),
                               strict=True))  # fmt: skip

    async def holds(self, patch: EvidencePatch | None) -> bool:
        if patch is None:
            self.asked.append(None)
            return False
        parts = tuple(self._names[p] for p in (*patch.frames, *patch.spatial_regions))
        self.asked.append(parts)
        return any(s <= set(parts) for s in self.sets)


@given(frames=st.integers(0, 6), regions=st.integers(0, 4), data=st.data())
async def test_exactly_the_needed_parts_stay(frames: int, regions: int, data: Any) -> None:
    patch = patch_of(frames, regions)
    parts = part_names(patch)
    needed = data.draw(st.sets(st.sampled_from(parts))) if parts else set()
    judge = Needs(patch, needed)
    shrunk = await shrink_patch(patch, judge)
    assert shrunk.patch == with_parts(patch, sorted(needed))
    assert shrunk.verdict == ("minimal" if len(needed) == len(parts) else "shrunk")
    assert len(judge.asked) == len(set(judge.asked)) == shrunk.judged
    assert (shrunk.patch.guidance, shrunk.patch.key_times_s) == ("Look again.", patch.key_times_s)


@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=3))
async def test_no_single_part_of_the_result_can_go(sets: list[set[int]]) -> None:
    patch = patch_of(6)
    judge = Needs(patch, *({f"frame_{i}" for i in s} for s in sets))
    small = (await shrink_patch(patch, judge)).patch
    assert await judge.holds(small)
    for gone in small.frames:
        rest = tuple(f for f in small.frames if f != gone)
        assert not await judge.holds(small.model_copy(update={"frames": rest}))


async def test_a_judge_that_cannot_tell_changes_nothing() -> None:
    patch = patch_of(3)

    class Fixed:
        def __init__(self, *answers: bool) -> None:
            self.answers = iter(answers)

        async def holds(self, _: EvidencePatch | None) -> bool:
            return next(self.answers)

    for answers, verdict in (((True,), "not_needed"), ((False, False), "not_repairing")):
        shrunk = await shrink_patch(patch, Fixed(*answers))
        assert (shrunk.patch, shrunk.verdict, shrunk.judged) == (patch, verdict, len(answers))
    empty = patch_of(0)
    assert (await shrink_patch(empty, Fixed())).verdict == "minimal"


async def test_tries_are_bounded_and_what_was_found_is_kept() -> None:
    patch = patch_of(8)
    judge = Needs(patch, {"frame_0", "frame_7"})
    shrunk = await shrink_patch(patch, judge, max_judged=6)
    assert (shrunk.verdict, shrunk.judged, len(judge.asked)) == ("out_of_tries", 6, 6)
    assert await judge.holds(shrunk.patch)
    with pytest.raises(ValueError, match="at least 2"):
        await shrink_patch(patch, judge, max_judged=1)


class ScriptedStudent:
    """Right when the prompt's patch has all the frames it needs, else wrong."""

    def __init__(self, *needed: float, wrong_every: int = 0) -> None:
        self.needed = set(needed)
        self.count = itertools.count(1)
        self.wrong_every = wrong_every

    async def answer(self, prompt: Any) -> Rollout:
        right = self.needed <= set(prompt)
        if self.wrong_every and next(self.count) % self.wrong_every == 0:
            right = False
        text = f"<think>t</think><answer>{'B' if right else 'A'}</answer>"
        return Rollout(prompt, text, (1,), "stop")


class TimesRenderer:
    """Stands a prompt for the times of its frames."""

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        return ()  # type: ignore[return-value]

    async def patched(self, asked: AskedQuestion, patch: EvidencePatch) -> StudentPrompt:
        return tuple(f.t_s for f in patch.frames)  # type: ignore[return-value]


async def test_a_student_keeps_what_it_needs_to_repair() -> None:
    judge = StudentJudge(QUESTION, ScriptedStudent(2.0), TimesRenderer(), RewardConfig())
    shrunk = await shrink_patch(patch_of(4), judge)
    assert [f.t_s for f in shrunk.patch.frames] == [2.0]


async def test_a_student_that_knows_without_a_patch_is_no_judge() -> None:
    judge = StudentJudge(QUESTION, ScriptedStudent(), TimesRenderer(), RewardConfig())
    assert (await shrink_patch(patch_of(4), judge)).verdict == "not_needed"


async def test_several_answers_are_held_against_the_threshold() -> None:
    def judge(threshold: float) -> StudentJudge:
        student = ScriptedStudent(2.0, wrong_every=4)
        return StudentJudge(
            QUESTION, student, TimesRenderer(), RewardConfig(), samples=4, threshold=threshold
        )

    assert await judge(0.75).holds(patch_of(3))
    assert not await judge(0.76).holds(patch_of(3))


def teacher(reply: str, patch: EvidencePatch) -> tuple[TeacherJudge, list[Any]]:
    asked: list[Any] = []

    async def ask(messages: Sequence[Mapping[str, Any]]) -> str:
        asked.append(messages)
        return reply

    images = {f.image_sha256: b"\xff\xd8\xff" for f in patch.frames}
    return TeacherJudge(QUESTION, patch, images, ask), asked


async def test_a_teacher_is_asked_once_and_obeyed() -> None:
    patch = patch_of(3, 2)
    reply = '<think>{"needed": []}</think>```json\n{"needed": ["frame_1", "region_0"]}\n```'
    judge, asked = teacher(reply, patch)
    shrunk = await shrink_patch(patch, judge)
    assert shrunk.patch == with_parts(patch, ["frame_1", "region_0"])
    (messages,) = asked
    blocks = messages[1]["content"]
    assert sum(b["type"] == "image_url" for b in blocks) == 3
    assert "Reference answer: dog" in blocks[0]["text"]
    assert "[region_1] at 1.000 s" in blocks[0]["text"]


@pytest.mark.parametrize(
    "reply", ["", "all of them", '{"needed": "frame_0"}', '{"needed": ["frame_9"]}', "[1]", "{}"]
)
async def test_an_unusable_verdict_is_no_verdict(reply: str) -> None:
    patch = patch_of(2)
    judge, _ = teacher(reply, patch)
    with pytest.raises(JudgeError):
        await shrink_patch(patch, judge)


def questions(count: int) -> dict[str, Question]:
    return {f"q{n}": QUESTION.model_copy(update={"id": f"q{n}"}) for n in range(count)}


JudgeFor = Callable[[Question, EvidencePatch, Mapping[str, bytes]], Judge]


async def test_a_store_is_shrunk_into_another_and_resumed(
    kit: Any, store: PatchStore, tmp_path: Path
) -> None:
    target = PatchStore(tmp_path / "small")
    fails = {"q1"}

    def judge_for(question: Question, patch: EvidencePatch, images: Mapping[str, bytes]) -> Judge:
        assert set(images) == {f.image_sha256 for f in patch.frames}
        reply = "?" if question.id in fails else json.dumps({"needed": ["frame_0"]})
        return teacher(reply, patch)[0]

    report = await shrink_store(store, target, questions(3), judge_for)
    expected = {"shrunk": 2, "unjudged": 1, "no_question": 1, "failure": 2}
    assert dict(report.outcomes) == expected
    assert (report.frames, report.regions) == ((4, 2), (2, 0))
    assert kit.key(1) in report.problems[0]
    assert target.get(kit.key(1)) is None
    fails.clear()
    again = await shrink_store(store, target, questions(3), judge_for)
    assert dict(again.outcomes) == {"shrunk": 1, "already": 5}
    assert all_keys(target) == all_keys(store)
    small, whole = target.get(kit.key(0)), store.get(kit.key(0))
    assert small is not None
    assert whole is not None
    assert small.patch == with_parts(whole.patch, ["frame_0"])  # type: ignore[arg-type]
    assert target.get(kit.key(3)) == store.get(kit.key(3))
    assert len(list(loose_images(target))) == 5
    failure = target.get(kit.key(4))
    assert failure is not None
    assert failure.attempts == 1


async def test_source_and_target_must_differ(store: PatchStore, tmp_path: Path) -> None:
    judge_for: JudgeFor = lambda q, p, i: teacher("", p)[0]  # noqa: E731
    with pytest.raises(StoreError, match="both source and target"):
        await shrink_store(store, PatchStore(store.root), {}, judge_for)
