"""Composed rewards in the loop: RIR, Video-R2 and RLER terms in one group, to the number."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ffr.config.repair import AdvantageConfig, RepairConfig
from ffr.config.rewards import RewardConfig
from ffr.data.question import AskedQuestion
from ffr.repair.loop import GroupResult, RepairLoop
from ffr.run.metrics import step_metrics
from rewards.components.scorer import ComponentScorer
from rewards.video_r2.encoders import LexicalEncoder
from student.prompt import render_question
from student.prompt_parts import StudentPrompt, VideoPart

EVENTS = ({"start_s": 2.0, "end_s": 3.0, "text": "the dish is lifted"},)
REWARD = {
    "components": [
        {"name": "tar", "weight": 1.0, "gates": ["consistency"]},
        {"name": "inconsistency", "weight": 0.5},
        {"name": "frame_sensitive", "weight": 0.2, "gates": ["accuracy", "format"]},
        {"name": "anti_repetition", "weight": 0.3},
    ],
    "tar": {"tolerance_s": 0.5, "min_matches": 1},
    "evidence": {"citation": "times", "length_unit": "words"},
}
SEEN = "At <keyframes>2.5</keyframes> the dish is lifted. So the answer is C."


def run(world: Any, firsts: list[str], seconds: list[str], **options: Any) -> GroupResult:
    reward = RewardConfig.model_validate(REWARD | options.pop("reward", {}))
    student = world.Student(firsts, seconds)
    loop = RepairLoop(
        student, world.Teacher(world.patch()), options.pop("render", world.Renderer()),
        RepairConfig(**options.pop("repair", {})), reward,
        AdvantageConfig(**options.pop("advantage", {})), len(firsts),
        components=ComponentScorer(reward, encoder=LexicalEncoder()),
    )
    return asyncio.run(loop.run_group(world.question(events=EVENTS)))


def test_a_group_of_every_kind(world: Any) -> None:
    result = run(
        world,
        [
            world.reply("C", SEEN),  # right, aligned, consistent
            world.reply("C", "The answer is A."),  # right by luck
            world.reply("A", "The answer is A."),  # wrong, then repaired
        ],
        [world.reply("C", SEEN)],
    )
    best, lucky, repaired = result.rows
    assert best.terms.components == {
        "tar": pytest.approx(1.0), "inconsistency": 0.0, "frame_sensitive": pytest.approx(0.1),
        "anti_repetition": 0.0,
    }
    assert best.reward == pytest.approx(1 + 1 + 1 + 0.1)
    assert lucky.reward == pytest.approx(1 + 1 - 0.5)
    assert repaired.category == "repaired_right"
    assert repaired.reward == pytest.approx(1 + 1 + 1 + 0.1 - 0.3)
    record = result.record.outcomes[2]
    assert record.first.consistent == 1.0
    assert record.first.components["tar"] == 0.0
    assert result.record.rows[1].terms["inconsistency"] == pytest.approx(-0.5)


def test_what_one_row_lacks_is_left_out_of_its_whole_group_and_counted(world: Any) -> None:
    result = run(
        world, [world.reply("C", SEEN), world.reply("C", "I look. It is hard to say. Hm.")], []
    )
    assert [row.terms.components["tar"] for row in result.rows] == [None, None]
    assert "tar" not in result.record.rows[0].terms
    assert [row.reward for row in result.rows] == [pytest.approx(2.1), pytest.approx(2.0)]
    metrics = step_metrics([result.record])
    assert metrics["component/tar/missing"] == 1
    assert metrics["component/tar/missing/gate_no_conclusion"] == 1
    assert metrics["component/tar/dropped_rows"] == 2
    assert metrics["consistency/unknown"] == 1
    assert metrics["consistency/rate"] == 1.0
    assert "reward/tar/mean" not in metrics
    assert metrics["reward/frame_sensitive/mean"] == pytest.approx(0.05)


def test_split_groups_compare_within_themselves(world: Any) -> None:
    result = run(
        world, [world.reply("A", "Hard. To say. Hm."), world.reply("C", "Hard. To say. Hm.")],
        [world.reply("C", SEEN)], advantage={"groups": "split"},
    )
    first, _, repaired = result.rows
    assert first.terms.components["tar"] is None
    assert repaired.terms.components["tar"] == pytest.approx(1.0)


def test_the_guard_compares_only_what_both_attempts_have(world: Any) -> None:
    # The repair earns TAR but the original's gate is unknown: TAR must not decide.
    result = run(
        world, [world.reply("A", "Hard. To say. Hm.")], [world.reply("B", SEEN.replace("C", "B"))],
        repair={"improvement_guard": "always"},
    )
    (row,) = result.rows
    assert row.category == "guarded"
    assert row.reward == pytest.approx(1.0)


class ShufflingRenderer:
    """The fixture's renderer with shuffled prompts, which are marked by their id."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def question(self, asked: AskedQuestion) -> StudentPrompt:
        return await self.inner.question(asked)

    async def patched(self, asked: AskedQuestion, patch: Any) -> StudentPrompt:
        return await self.inner.patched(asked, patch)

    async def shuffled(self, asked: AskedQuestion) -> StudentPrompt:
        video = self.inner.video()
        return render_question(
            asked, VideoPart(video.frames[::-1], video.axis), self.inner.config
        )


def test_shuffled_answers_decide_about_the_bonus_and_are_not_trained(world: Any) -> None:
    right, wrong = world.reply("C", "C."), world.reply("A", "A.")
    reward = RewardConfig.model_validate(
        {"components": [{"name": "temporal_contrast", "weight": 0.3}], "shuffled_rollouts": 2}
    )

    def run_with(shuffled: list[str]) -> GroupResult:
        student = world.Student([right, right, wrong, *shuffled])
        loop = RepairLoop(
            student, world.Teacher(world.patch()), ShufflingRenderer(world.Renderer()),
            RepairConfig(max_per_question=0), reward, AdvantageConfig(), 3,
            components=ComponentScorer(reward),
        )
        return asyncio.run(loop.run_group(world.question()))

    better, same = run_with([wrong, wrong]), run_with([right, right])
    assert [row.reward for row in better.rows] == [pytest.approx(2.3), pytest.approx(2.3), 1.0]
    assert [row.reward for row in same.rows] == [2.0, 2.0, 1.0]
    metrics = step_metrics([better.record])
    assert metrics["accuracy/shuffled"] == 0.0
    assert metrics["generated/sequences"] == 5


def test_components_without_a_scorer_are_refused(world: Any) -> None:
    with pytest.raises(Exception, match="no scorer was given"):
        RepairLoop(
            world.Student(["x"]), world.Teacher(world.patch()), world.Renderer(), RepairConfig(),
            RewardConfig.model_validate(REWARD), AdvantageConfig(), 1,
        )
