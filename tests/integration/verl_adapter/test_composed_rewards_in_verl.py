"""Composed rewards in the real worker: real tokenizer, real frames, queued advantages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ffr.patches.patch import NoPatch

REWARD = {
    "components": [
        {"name": "frame_sensitive", "weight": 0.2, "gates": ["accuracy", "format"]},
        {"name": "inconsistency", "weight": 0.5},
        {"name": "temporal_contrast", "weight": 0.3},
    ],
    "evidence": {"citation": "times", "length_high": 40},
    "shuffled_rollouts": 2,
}
SEEN = "at <keyframes>1.0</keyframes> So the answer is B."


def test_components_decide_advantages_and_are_recorded(start_job: Any, kit: Any, questions: Any):
    job = start_job(reward=REWARD)
    processor = job.agent._renderer.processor
    says = [
        kit.reply("B", SEEN), kit.reply("B", "So the answer is A."), kit.reply("A"), kit.reply("A"),
        kit.reply("B"), kit.reply("A"),  # the last two answer the shuffled frames
    ]  # fmt: skip
    client = kit.Client(processor, says)
    job.submit("s1q0", questions[0], client, kit.Teacher(NoPatch(reason="teacher_off")))
    (record,) = job.folder.read_step(1)
    cited, contradicted = (outcome.first for outcome in record.outcomes[:2])
    assert cited.components == {
        "frame_sensitive": 0.5, "inconsistency": 0.0, "temporal_contrast": 1.0
    }
    assert contradicted.components["inconsistency"] == -1.0
    assert cited.evidence is not None
    assert cited.evidence.length == processor.count_tokens(SEEN)
    assert len(record.shuffled) == 2
    rewards = [row.reward for row in record.rows]
    assert rewards[0] == pytest.approx(1 + 1 + 0.1 + 0.3)
    assert rewards[1] == pytest.approx(1 + 1 - 0.5 + 0.3)
    assert record.rows[0].advantage > record.rows[1].advantage > 0 > record.rows[2].advantage
    job.clear()


def test_shuffled_prompts_hold_the_same_frames_in_another_order(job: Any, questions: Any):
    renderer, asked = job.agent._renderer, questions[0].asked
    plain, shuffled, again = (
        job.run(render(asked)).videos[0]
        for render in (renderer.question, renderer.shuffled, renderer.shuffled)
    )
    assert shuffled.axis == plain.axis
    assert np.array_equal(shuffled.frames, again.frames)
    assert not np.array_equal(shuffled.frames, plain.frames)
    frames, other = (sorted(frame.tobytes() for frame in v.frames) for v in (plain, shuffled))
    assert frames == other
