"""The loop against spec ffr §10: levels, contexts, fallbacks, plain GRPO, no leak."""

from __future__ import annotations

import asyncio
import statistics
from typing import Any

import pytest

from ffr.errors import FfrError, UserError
from ffr.patches.patch import NoPatch
from ffr.repair.renderer import PromptOverBudget
from student.prompt import PatchRenderError


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((4, 4, 0), {"right": 0.935, "repaired_right": -0.935}),
        ((4, 3, 1), {"right": 0.625, "repaired_right": -0.057, "repaired_wrong": -2.329}),
        ((2, 4, 2), {"right": 0.903, "repaired_right": 0.333, "repaired_wrong": -1.569}),
        ((6, 1, 1), {"right": 0.438, "repaired_right": -0.219, "repaired_wrong": -2.408}),
        ((7, 1, 0), {"right": 0.353, "repaired_right": -2.473}),
        ((1, 7, 0), {"right": 2.473, "repaired_right": -0.353}),
        ((0, 5, 3), {"repaired_right": 0.724, "repaired_wrong": -1.207}),
        ((0, 8, 0), {"repaired_right": 0.0}),
    ],
)
async def test_paper_arm_reproduces_the_spec_vectors(
    world: Any, counts: tuple[int, int, int], expected: dict[str, float]
) -> None:
    loop = world.loop(world.script(*counts), world.Teacher(world.patch()))
    result = await loop.run_group(world.question())
    assert len(result.rows) == result.budget == loop.row_budget == 8
    levels = {"right": 2.0, "repaired_right": 1.7, "repaired_wrong": 0.7}
    for row in result.rows:
        assert row.live
        assert row.reward == pytest.approx(levels[row.category])
        assert row.advantage == pytest.approx(expected[row.category], abs=5e-4)


async def test_chosen_rows_train_their_own_context_and_drop_the_failed_tokens(world: Any) -> None:
    student = world.script(1, 2, 1)
    patch = world.patch(guidance="Watch the very end.")
    result = await world.loop(student, world.Teacher(patch)).run_group(world.question())
    plain, *repaired = result.rows
    assert plain.context is result.plain
    assert plain.context.patch_id is None
    for row in repaired:
        assert row.context is row.rollout.prompt
        assert row.context.patch_id == patch.patch_id
        assert "Watch the very end." in row.context.text
        assert row.log_probs is not None
        assert row.prompt_ids == (1, 2, 3)
    discarded = world.reply("A")
    assert all(row.rollout.text != discarded for row in result.rows)
    assert [o.first.text for o in result.record.outcomes[1:]] == [discarded] * 3


async def test_changing_the_patch_changes_the_trained_context(world: Any) -> None:
    contexts = []
    for guidance in ("Look left.", "Look right."):
        loop = world.loop(world.script(0, 1, 0), world.Teacher(world.patch(guidance=guidance)))
        contexts.append((await loop.run_group(world.question())).rows[0].context.text)
    assert contexts[0] != contexts[1]


async def test_teacher_sees_options_and_gold_student_never_sees_gold(world: Any) -> None:
    planted = "9731.25"
    question = world.question("number", planted, question="How many metres?")
    student = world.Student([world.reply("4")] * 4, [world.reply("5")] * 4)
    teacher = world.Teacher(world.patch())
    await world.loop(student, teacher).run_group(question)
    assert len(student.seen) == 8
    assert all(planted not in prompt.text for prompt in student.seen)
    assert all(planted not in str(prompt.chat_messages()) for prompt in student.seen)
    assert {f.question.answer for f in teacher.asked} == {planted}
    choice = world.Teacher(world.patch())
    await world.loop(world.script(0, 1, 0), choice).run_group(world.question())
    assert choice.asked[0].question.options[2] == "zirconium vase"
    assert choice.asked[0].wrong_answer == "A"
    assert choice.asked[0].response_text == world.reply("A")


async def test_video_is_decoded_once_for_a_whole_group(world: Any) -> None:
    render = world.Renderer()
    loop = world.loop(world.script(0, 8, 0), world.Teacher(world.patch()), render=render)
    await loop.run_group(world.question())
    assert render.decoded == 1


def _raise(error: Exception) -> Any:
    def diagnose(_: Any) -> None:
        raise error

    return diagnose


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (NoPatch(reason="timeout", detail="45 s"), "timeout"),
        (NoPatch(reason="invalid_output"), "invalid_output"),
        (NoPatch(reason="leak"), "leak"),
        (NoPatch(reason="circuit_open"), "circuit_open"),
        (_raise(RuntimeError("500 with key sk-secret")), "provider_error"),
        (_raise(TimeoutError()), "timeout"),
    ],
)
async def test_failed_teacher_leaves_untaxed_originals(
    world: Any, outcome: Any, reason: str
) -> None:
    student = world.script(1, 0, 3)
    result = await world.loop(student, world.Teacher(outcome)).run_group(world.question())
    assert [row.category for row in result.rows] == ["right"] + ["no_patch"] * 3
    assert [row.reward for row in result.rows] == [2.0, 1.0, 1.0, 1.0]
    assert len(student.seen) == 4
    diagnoses = [o.diagnosis for o in result.record.outcomes[1:]]
    assert [d.no_patch for d in diagnoses] == [reason] * 3
    assert "sk-secret" not in result.record.model_dump_json()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(PromptOverBudget("5000 tokens, 4096 allowed"), "over_budget"),
     (PatchRenderError("image missing"), "media_error"),
     (OSError("read error"), "media_error")],
)
async def test_patch_that_cannot_be_shown_is_counted(
    world: Any, error: Exception, reason: str
) -> None:
    patch = world.patch()
    render = world.Renderer(fail_patched=error)
    loop = world.loop(world.script(1, 0, 1), world.Teacher(patch), render=render)
    result = await loop.run_group(world.question())
    diagnosis = result.record.outcomes[1].diagnosis
    assert (diagnosis.no_patch, diagnosis.detail) == (reason, str(error))
    assert diagnosis.patch_id == patch.patch_id
    assert (result.rows[1].category, result.rows[1].reward) == ("no_patch", 1.0)


async def test_silent_student_costs_no_teacher_call(world: Any) -> None:
    student = world.Student([" \n", world.reply("A"), world.reply("C")], [world.reply("C")])
    teacher = world.Teacher(world.patch())
    result = await world.loop(student, teacher).run_group(world.question())
    assert len(teacher.asked) == 1
    silent = result.record.outcomes[0]
    assert (silent.diagnosis.no_patch, silent.diagnosis.source) == ("empty_response", "none")
    assert (result.rows[0].category, result.rows[0].reward) == ("no_patch", 0.0)


async def test_a_teacher_that_must_end_the_run_does(world: Any) -> None:
    teacher = world.Teacher(_raise(UserError("teacher failed too often")))
    with pytest.raises(UserError, match="too often"):
        await world.loop(world.script(0, 1, 1), teacher).run_group(world.question())


async def test_student_failure_is_raised_as_it_is_and_stops_the_rest(world: Any) -> None:
    cancelled: list[int] = []
    calls = 0

    async def before(_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ConnectionResetError("engine died")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(calls)
            raise

    student = world.Student([world.reply("A")] * 4, before=before)
    with pytest.raises(ConnectionResetError, match="engine died"):
        await world.loop(student, world.Teacher(world.patch())).run_group(world.question())
    assert len(cancelled) == 3


async def test_engine_without_tokens_is_refused(world: Any) -> None:
    class Mute(world.Student):  # type: ignore[name-defined, misc]
        async def answer(self, prompt: Any) -> Any:
            rollout = await super().answer(prompt)
            return type(rollout)(prompt, "", (), "stop")

    with pytest.raises(FfrError, match="no token"):
        await world.loop(Mute([""]), world.Teacher(world.patch())).run_group(world.question())


async def test_diagnoses_run_together_and_no_second_answer_waits_for_another(world: Any) -> None:
    """The first failure's second answer must be what releases the second failure's diagnosis."""
    all_asked, answered = asyncio.Event(), asyncio.Event()

    async def diagnose(failed: Any) -> Any:
        if len(teacher.asked) == 2:
            all_asked.set()
        await all_asked.wait()
        if failed.wrong_answer == "B":
            await answered.wait()
        return world.patch()

    async def before(prompt: Any) -> None:
        if prompt.patch_id is not None:
            answered.set()

    teacher = world.Teacher(diagnose)
    student = world.Student(
        [world.reply("A"), world.reply("B")], [world.reply("C")] * 2, before=before
    )
    loop = world.loop(student, teacher)
    async with asyncio.timeout(5):
        result = await loop.run_group(world.question())
    assert [row.category for row in result.rows] == ["repaired_right"] * 2


async def test_first_pass_runs_together(world: Any) -> None:
    started = 0
    everyone = asyncio.Event()

    async def before(_: Any) -> None:
        nonlocal started
        started += 1
        if started == 4:
            everyone.set()
        await everyone.wait()

    student = world.Student([world.reply("C")] * 4, before=before)
    async with asyncio.timeout(5):
        await world.loop(student, world.Teacher(world.patch())).run_group(world.question())


@pytest.mark.parametrize("arm", ["joint", "split"])
@pytest.mark.parametrize("context", ["patched", "auto"])
@pytest.mark.parametrize("teacher_off", ["none", "zero_repairs"])
async def test_without_a_teacher_rows_are_plain_grpo_to_the_bit(
    world: Any, arm: str, context: str, teacher_off: str
) -> None:
    texts = [world.reply("C"), world.reply("A"), "garbage", world.reply("C"), world.reply("D")]
    off = NoPatch(reason="teacher_off")
    repair = {"train_context": context}
    if teacher_off == "zero_repairs":
        repair["max_per_question"] = 0
    loop = world.loop(
        world.Student(texts), world.Teacher(off), repair=repair,
        reward={"kappa": 0.0}, advantage={"groups": arm},
    )
    result = await loop.run_group(world.question())
    rewards = [2.0, 1.0, 0.0, 2.0, 1.0]
    scale = statistics.stdev(rewards) + 1e-4
    expected = [(r - statistics.fmean(rewards)) / scale for r in rewards]
    assert [row.rollout.text for row in result.rows] == texts
    assert [row.reward for row in result.rows] == rewards
    assert [row.advantage for row in result.rows] == expected
    assert {row.group for row in result.rows} == {"q1"}
    assert all(row.live and row.context is result.plain for row in result.rows)


@pytest.mark.parametrize("arm", ["joint", "split"])
async def test_all_wrong_group_without_a_teacher_stays_live(world: Any, arm: str) -> None:
    loop = world.loop(
        world.script(0, 0, 4), world.Teacher(NoPatch(reason="teacher_off")),
        advantage={"groups": arm},
    )
    result = await loop.run_group(world.question())
    assert [(row.advantage, row.live) for row in result.rows] == [(0.0, True)] * 4


async def test_validation_never_asks_the_teacher(world: Any) -> None:
    student = world.Student([world.reply("A"), world.reply("C"), world.reply("B")])
    teacher = world.Teacher(world.patch())
    loop = world.loop(student, teacher, size=3)
    result = await loop.run_first_pass_only(world.question(), count=2)
    assert teacher.asked == []
    assert [row.reward for row in result.rows] == [1.0, 2.0]
    assert (result.record.mode, result.budget) == ("validation", 2)
    assert all(outcome.diagnosis is None for outcome in result.record.outcomes)


@pytest.mark.parametrize(
    ("right", "repair", "asked"),
    [
        (1, {}, 3),
        (1, {"when": "no_signal"}, 0),
        (0, {"when": "no_signal"}, 4),
        (0, {"when": "no_signal", "max_per_question": 3}, 3),
        (1, {"when": "below", "below_rate": 0.5}, 3),
        (2, {"when": "below", "below_rate": 0.5}, 0),
        (0, {"max_per_question": 0}, 0),
    ],
)
async def test_whom_to_repair(
    world: Any, right: int, repair: dict[str, Any], asked: int
) -> None:
    teacher = world.Teacher(world.patch())
    await world.loop(world.script(right, 4 - right, 0), teacher, repair=repair).run_group(
        world.question()
    )
    assert len(teacher.asked) == asked


async def test_silence_does_not_use_up_the_limit(world: Any) -> None:
    student = world.Student(["", world.reply("A"), world.reply("B")], [world.reply("C")])
    teacher = world.Teacher(world.patch())
    loop = world.loop(student, teacher, repair={"max_per_question": 1})
    result = await loop.run_group(world.question())
    assert [f.wrong_answer for f in teacher.asked] == ["A"]
    assert [row.category for row in result.rows] == ["no_patch", "repaired_right", "wrong"]


async def test_parity_reads_the_first_answer_and_wants_full_accuracy(world: Any) -> None:
    text = "<answer>C</answer><think>x</think><answer>A</answer>"
    for mode, category in (("parity", "right"), ("default", "no_patch")):
        loop = world.loop(
            world.Student([text]), world.Teacher(NoPatch(reason="store_miss")),
            reward={"mode": mode},
        )
        assert (await loop.run_group(world.question())).rows[0].category == category


async def test_two_groups_of_one_loop_do_not_mix(world: Any) -> None:
    student = world.Student([world.reply("A")] * 4, [world.reply("C")] * 4)
    loop = world.loop(student, world.Teacher(world.patch()), size=2)
    one, two = await asyncio.gather(
        loop.run_group(world.question(), group="u1"), loop.run_group(world.question(), group="u2")
    )
    assert {row.group for row in one.rows} == {"u1"}
    assert {row.group for row in two.rows} == {"u2"}
    assert one.record.group == "u1"


def test_group_size_must_be_positive(world: Any) -> None:
    with pytest.raises(UserError, match="group_size=0"):
        world.loop(world.Student([]), world.Teacher(world.patch()), size=0)
