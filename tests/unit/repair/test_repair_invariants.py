"""Whatever student, teacher and configuration do, the rows stay sound."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffr.patches.patch import NoPatch
from ffr.repair.record import GroupRecord

TEXTS = st.sampled_from(
    ["<think>a</think><answer>C</answer>", "<think>a</think><answer>A</answer>",
     "<think>b</think><answer>zirconium vase</answer>", "<answer>C</answer>", "nonsense", "",
     "<think>long</think> then <answer>B</answer>"]
)
ARMS = st.sampled_from(
    [({}, {}), ({"keep_failed_original": True}, {}), ({"train_context": "auto"}, {}),
     ({"train_context": "plain"}, {}), ({"chosen": "best_of_group"}, {}),
     ({}, {"groups": "split"}), ({"train_context": "auto"}, {"groups": "split"}),
     ({"train_context": "plain"}, {"groups": "split", "norm_by_std": False})]
)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.integers(1, 6))
    repair, advantage = draw(ARMS)
    limits = {
        "when": draw(st.sampled_from(["always", "no_signal", "below"])),
        "max_per_question": draw(st.none() | st.integers(0, 6)),
        "improvement_guard": draw(st.sampled_from(["never", "partial_credit", "always"])),
    }
    return {
        "firsts": draw(st.lists(TEXTS, min_size=size, max_size=size)),
        "seconds": draw(st.lists(TEXTS, min_size=size, max_size=size)),
        "key_time": draw(st.sampled_from([2.5, 2.9])),
        "patched": draw(st.lists(st.booleans(), min_size=size, max_size=size)),
        "repair": repair | limits,
        "advantage": advantage,
        "reward": {"kappa": draw(st.sampled_from([0.0, 0.3, 1.0]))},
    }


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_rows_are_always_sound(world: Any, case: dict[str, Any]) -> None:
    student = world.Student(case["firsts"], case["seconds"])
    patch = world.patch(key_times_s=(case["key_time"],))
    gives = iter(case["patched"])
    teacher = world.Teacher(lambda _: patch if next(gives) else NoPatch(reason="leak"))
    loop = world.loop(
        student, teacher, repair=case["repair"], advantage=case["advantage"],
        reward=case["reward"],
    )
    question = world.question()
    result = asyncio.run(loop.run_group(question))
    size = len(case["firsts"])
    rows = result.rows

    # the budget, and the paper's exact G
    assert size <= len(rows) <= result.budget == loop.row_budget
    joint = case["advantage"].get("groups", "joint") == "joint"
    if joint and case["repair"].get("train_context") != "auto":
        assert len(rows) <= size + 1
    # every index of the group stands for itself, in order
    assert [row.index for row in rows[:size]] == list(range(size))
    # group sums
    best_of = case["repair"].get("chosen") == "best_of_group"
    for label in {row.group for row in rows}:
        own = [row for row in rows if row.group == label and row.live]
        if not best_of and label != "q1#copies":
            assert math.fsum(row.advantage for row in own) == pytest.approx(0.0, abs=1e-6)
    assert all(math.isfinite(row.advantage) and math.isfinite(row.reward) for row in rows)
    assert all(row.advantage == 0.0 for row in rows if not row.live)
    # contexts: a first answer is only ever trained under the plain prompt
    for row in rows:
        if row.source == "first" or row.category == "plain_copy":
            assert row.context is result.plain
        if row.context.patch_id is not None:
            assert row.category in ("repaired_right", "repaired_wrong")
            assert row.context is row.rollout.prompt
        if row.category == "plain_copy":
            assert case["key_time"] == 2.5
    # taxed exactly when it comes from the second pass
    kappa = case["reward"]["kappa"]
    assert all(row.terms.tax == (-kappa if row.source == "second" else 0.0) for row in rows)
    # right answers never reach the teacher, and the limit holds
    limit = case["repair"]["max_per_question"]
    assert len(teacher.asked) <= (size if limit is None else limit)
    assert all(asked.response_text.strip() for asked in teacher.asked)
    for outcome in result.record.outcomes:
        assert not (outcome.first.right and outcome.diagnosis)
        if outcome.diagnosis:
            assert (outcome.diagnosis.no_patch is None) == (outcome.second is not None)
    # plain GRPO wherever nothing was repaired
    if all(outcome.second is None for outcome in result.record.outcomes):
        assert len(rows) == size
        assert best_of or all(row.live for row in rows)
    # the record survives its JSON form
    assert GroupRecord.model_validate_json(result.record.model_dump_json()) == result.record


@given(words=st.text("abcdefghij ", min_size=8, max_size=20).filter(lambda t: len(t.split()) > 1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_prompt_holds_the_gold_text(world: Any, words: str) -> None:
    gold = f"zq{words.strip()}qz"
    question = world.question("free_form", gold, question="What happens?")
    student = world.Student(["<think>a</think><answer>no</answer>"] * 2,
                            ["<think>a</think><answer>yes</answer>"] * 2)
    result = asyncio.run(
        world.loop(student, world.Teacher(world.patch())).run_group(question)
    )
    prompts = [*student.seen, *(row.context for row in result.rows)]
    assert len(student.seen) == 4
    assert all(gold not in prompt.text for prompt in prompts)
