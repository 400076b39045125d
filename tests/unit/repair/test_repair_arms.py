"""Rows of our arms: split baselines, plain copies, extra negatives, best of group, guard."""

from __future__ import annotations

from typing import Any

import pytest

from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.errors import UserError
from ffr.repair.rows import pad_rows, row_budget

SPLIT = {"groups": "split"}
AUTO = {"train_context": "auto"}


def in_view(world: Any) -> Any:
    return world.patch(key_times_s=(2.5,))


def out_of_view(world: Any) -> Any:
    return world.patch(key_times_s=(2.9, 3.1))


async def run(world: Any, counts: tuple[int, int, int], patch: Any = None, **config: Any) -> Any:
    loop = world.loop(world.script(*counts), world.Teacher(patch or in_view(world)), **config)
    return await loop.run_group(world.question())


@pytest.mark.parametrize(
    ("repair", "advantage", "budget"),
    [
        ({}, {}, 8),
        ({"max_per_question": 3}, {}, 8),
        ({"keep_failed_original": True}, {}, 9),
        (AUTO, {}, 16),
        (AUTO | {"max_per_question": 3, "keep_failed_original": True}, {}, 12),
        ({}, SPLIT, 16),
        ({"max_per_question": 4}, SPLIT, 12),
        (AUTO | {"max_per_question": 4}, SPLIT, 12),
        ({"max_per_question": 99}, SPLIT, 16),
        ({"max_per_question": 0}, SPLIT, 8),
        ({"chosen": "best_of_group"}, {}, 8),
    ],
)
def test_row_budget(repair: dict[str, Any], advantage: dict[str, Any], budget: int) -> None:
    assert row_budget(RepairConfig(**repair), AdvantageConfig(**advantage), 8) == budget


@pytest.mark.parametrize(
    ("repair", "advantage", "words"),
    [
        ({"chosen": "best_of_group"}, SPLIT, "best_of_group"),
        ({"chosen": "best_of_group"} | AUTO, {}, "best_of_group"),
        ({"keep_failed_original": True}, SPLIT, "keep_failed_original"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(
    repair: dict[str, Any], advantage: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        row_budget(RepairConfig(**repair), AdvantageConfig(**advantage), 8)


async def test_split_gives_repairs_their_own_baseline(world: Any) -> None:
    result = await run(world, (2, 1, 1), advantage=SPLIT)
    originals, repaired = result.rows[:4], result.rows[4:]
    assert [row.category for row in originals] == ["right", "right", "wrong", "wrong"]
    assert [row.category for row in repaired] == ["repaired_right", "repaired_wrong"]
    assert {row.group for row in originals} == {"q1"}
    assert {row.group for row in repaired} == {"q1#repaired"}
    assert [row.reward for row in originals] == [2.0, 2.0, 1.0, 1.0]
    assert [round(row.advantage, 3) for row in repaired] == [0.707, -0.707]
    assert all(row.live for row in result.rows)
    assert result.budget == 8


async def test_split_marks_groups_without_signal_dead(world: Any) -> None:
    result = await run(world, (0, 3, 1), advantage=SPLIT)
    assert [row.live for row in result.rows] == [False] * 4 + [True] * 4
    hopeless = await run(world, (0, 4, 0), advantage=SPLIT)
    assert not any(row.live for row in hopeless.rows)
    mixed = await run(world, (2, 2, 0), advantage=SPLIT)
    assert [row.live for row in mixed.rows] == [True] * 4 + [False] * 2


async def test_split_copies_take_the_place_of_failed_originals(world: Any) -> None:
    result = await run(world, (0, 8, 0), advantage=SPLIT, repair=AUTO | {"max_per_question": 6})
    plain, repaired = result.rows[:8], result.rows[8:]
    assert [row.category for row in plain] == ["plain_copy"] * 4 + ["wrong"] * 4
    assert len(repaired) == 6
    assert result.budget == 14
    for row in plain[:4]:
        assert row.context is result.plain
        assert row.log_probs is None
        assert row.prompt_ids is None
        assert row.advantage == pytest.approx(0.935, abs=5e-4)
        assert (row.source, row.reward) == ("second", pytest.approx(1.7))
    assert all(row.live and row.advantage < 0 for row in plain[4:])
    assert not any(row.live for row in repaired)


async def test_copies_stop_when_half_of_the_group_is_right(world: Any) -> None:
    result = await run(world, (3, 5, 0), advantage=SPLIT, repair=AUTO)
    assert [row.category for row in result.rows[:8]] == (
        ["right"] * 3 + ["plain_copy"] + ["wrong"] * 4
    )
    enough = await run(world, (4, 4, 0), advantage=SPLIT, repair=AUTO)
    assert all(row.category != "plain_copy" for row in enough.rows)


@pytest.mark.parametrize("advantage", [{}, SPLIT])
async def test_evidence_out_of_view_is_never_copied(world: Any, advantage: Any) -> None:
    result = await run(world, (0, 4, 0), out_of_view(world), advantage=advantage, repair=AUTO)
    assert all(row.category != "plain_copy" for row in result.rows)
    assert not any(outcome.in_view for outcome in result.record.outcomes)


async def test_joint_copies_come_on_top_with_the_same_advantage(world: Any) -> None:
    result = await run(world, (1, 2, 1), repair=AUTO)
    chosen, copies = result.rows[:4], result.rows[4:]
    assert [row.category for row in chosen] == [
        "right", "repaired_right", "repaired_right", "repaired_wrong"
    ]
    assert [(row.category, row.index, row.group) for row in copies] == [
        ("plain_copy", 1, "q1#copies"), ("plain_copy", 2, "q1#copies")
    ]
    assert [row.advantage for row in copies] == [row.advantage for row in chosen[1:3]]
    assert all(row.context is result.plain for row in copies)


async def test_plain_context_trains_repairs_without_the_patch(world: Any) -> None:
    for advantage in ({}, SPLIT):
        result = await run(
            world, (1, 2, 1), advantage=advantage, repair={"train_context": "plain"}
        )
        assert all(row.context is result.plain for row in result.rows)
        assert any(row.category == "repaired_right" for row in result.rows)


async def test_keep_failed_original_adds_one_negative(world: Any) -> None:
    student = world.Student([world.reply("A"), "junk", world.reply("C")], [world.reply("C")] * 2)
    loop = world.loop(
        student, world.Teacher(world.patch()), repair={"keep_failed_original": True}
    )
    result = await loop.run_group(world.question())
    assert [row.category for row in result.rows] == [
        "repaired_right", "repaired_right", "right", "kept_failed"
    ]
    kept = result.rows[-1]
    assert (kept.index, kept.reward, kept.rollout.text) == (1, 0.0, "junk")
    assert kept.context is result.plain
    assert kept.advantage < 0
    assert sum(row.advantage for row in result.rows) == pytest.approx(0.0, abs=1e-9)


async def test_best_of_group_trains_one_row_and_prefers_unaided(world: Any) -> None:
    config = {"chosen": "best_of_group"}
    result = await run(world, (2, 1, 1), repair=config)
    assert [row.live for row in result.rows] == [True, False, False, False]
    assert result.rows[0].advantage > 0
    assert [row.advantage for row in result.rows[1:]] == [0.0] * 3
    free = await run(world, (1, 1, 0), repair=config, reward={"kappa": 0.0})
    assert [row.category for row in free.rows if row.live] == ["right"]
    aided = await run(world, (0, 1, 1), repair=config)
    assert [row.category for row in aided.rows if row.live] == ["repaired_right"]


async def test_guard_keeps_originals_that_earn_as_much(world: Any) -> None:
    question = world.question("ocr", "one two three four five")
    near = world.reply("one two three four six")
    student = world.Student([near] * 2, [world.reply("no idea"), world.reply(question.answer)])
    loop = world.loop(student, world.Teacher(world.patch()), reward={"kappa": 0.1})
    result = await loop.run_group(question)
    assert [row.category for row in result.rows] == ["guarded", "repaired_right"]
    assert result.rows[0].reward == pytest.approx(1.8)
    assert result.record.outcomes[0].second is not None
    always = await run(world, (1, 1, 1), repair={"improvement_guard": "always"})
    assert [row.category for row in always.rows] == ["right", "repaired_right", "guarded"]
    assert always.rows[2].reward == 1.0


async def test_floor_lifts_right_repairs(world: Any) -> None:
    result = await run(world, (7, 1, 0), advantage={"floor_repaired_correct": True})
    assert result.rows[7].advantage == 0.0


async def test_dependency_term_reaches_the_reward(world: Any) -> None:
    student = world.Student(
        [world.reply("A")] * 2,
        [world.reply("C", "At 2.5 s it is put down."), world.reply("C", "I guess.")],
    )
    loop = world.loop(student, world.Teacher(in_view(world)), reward={"lambda_dep": 0.5})
    result = await loop.run_group(world.question())
    assert [row.terms.dependency for row in result.rows] == [0.5, 0.0]
    assert [row.reward for row in result.rows] == pytest.approx([2.2, 1.7])


async def test_padding_uses_the_cheapest_row_and_never_trains(world: Any) -> None:
    result = await run(world, (2, 1, 1), advantage=SPLIT)
    padded = pad_rows(result.rows, result.budget)
    assert len(padded) == result.budget
    fillers = padded[len(result.rows):]
    assert {row.category for row in fillers} == {"filler"}
    assert not any(row.live or row.advantage for row in fillers)
    shortest = min(row.tokens for row in result.rows if row.context is result.plain)
    assert all(row.tokens == shortest and row.context is result.plain for row in fillers)
    with pytest.raises(ValueError, match="do not fit"):
        pad_rows(result.rows, 3)
    with pytest.raises(ValueError, match="do not fit"):
        pad_rows((), 3)
