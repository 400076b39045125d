"""What the agent worker puts into the queue and the trainer takes out of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ffr.config.student import StudentConfig
from ffr.errors import FfrError
from ffr.patches.patch import NoPatch
from student.model import load_model

pytestmark = pytest.mark.usefixtures("clean")


class LocalEngine:
    """The rollout server in this process, behind the face of verl's client."""

    def __init__(self, folder: Any, stock_models: Any) -> None:
        from ffr.train.verl.hf_rollout import HfServer

        settings = {"dtype": "float32", "response_length": 6, "max_num_seqs": 8}
        self.server = HfServer(str(folder), settings)
        self._stock_models = stock_models
        self.seeds: list[int] = []

    async def generate(self, **request: Any) -> Any:
        self.seeds.append(request["sampling_params"]["seed"])
        with self._stock_models():
            return await self.server.generate(**request)


@pytest.fixture(scope="module")
def engine(checkpoint: Any, stock_models: Any, job: Any) -> LocalEngine:
    return LocalEngine(checkpoint[1], stock_models)


def advantages(job, batch):
    return dict(zip(batch.keys, job.get(batch, "advantages"), strict=True))


@pytest.mark.parametrize("replies", ["BBAA", "BAAx", "BBBx", "AAAA"])
def test_without_teacher_and_tax_advantages_are_verls_own(job, kit, questions, replies):
    """Rewards 2, 1 and 0; verl's estimator gets the same rows. Equal rewards give exactly 0."""
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

    job.use(reward={"kappa": 0.0})
    processor = job.agent._renderer.processor
    thoughts = ["I look.", "It may be a green circle.", "It may be.", "I look again."]
    for i, question in enumerate(questions):
        texts = ["no" if letter == "x" else kit.reply(letter, thought)
                 for letter, thought in zip(replies, thoughts, strict=True)]  # fmt: skip
        off = kit.Teacher(NoPatch(reason="teacher_off"))
        job.submit(f"s1q{i}", question, kit.Client(processor, texts), off)
    batch = job.sample(2)
    assert len(batch) == 8
    assert [float(row[-1]) for row in job.get(batch, "rm_scores")] == 2 * [
        {"B": 2.0, "A": 1.0, "x": 0.0}[letter] for letter in replies
    ]
    job.trainer._compute_advantage(batch, {})
    ours = advantages(job, batch)
    PPOTrainerSync._compute_advantage(job.trainer, batch, {})
    theirs = advantages(job, batch)
    if replies == "AAAA":
        assert all(torch.equal(row, torch.zeros_like(row)) for row in ours.values())
        return
    assert any(row.abs().max() > 0.5 for row in ours.values())
    for key, row in ours.items():
        torch.testing.assert_close(row, theirs[key], atol=1e-6, rtol=0)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_rows_of_equal_length_keep_their_positions(job, kit, questions, rows):
    """verl mislabels their ragged dimension; log-probs must not depend on who shares a batch."""
    settings, engine = job.tree.actor_rollout_ref.actor, job.actor.actor.engine_config
    before = settings.ppo_micro_batch_size_per_gpu
    run = job.agent._run
    job.agent._run = run.model_copy(
        update={"grpo": run.grpo.model_copy(update={"group_size": rows})}
    )
    client = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "BACD"[:rows]])
    job.submit("s1q0", questions[0], client, kit.Teacher(NoPatch(reason="teacher_off")))
    batch = job.sample(1)
    assert len({tag["seq_len"] for tag in batch.tags}) == 1
    assert len(batch) == rows

    def set_micro_batch(size: int) -> None:
        settings.ppo_micro_batch_size_per_gpu = size
        engine.micro_batch_size_per_gpu = engine.infer_micro_batch_size_per_gpu = size

    def log_probs() -> dict[str, torch.Tensor]:
        job.trainer._compute_old_log_prob(batch, {})
        return dict(zip(batch.keys, job.get(batch, "old_log_probs"), strict=True))

    try:
        set_micro_batch(1)
        alone = log_probs()
        for size in (2, rows):
            set_micro_batch(size)
            batch = job.trainer._balance_batch(batch, {})
            together = log_probs()
            for key, row in alone.items():
                torch.testing.assert_close(together[key], row, atol=1e-5, rtol=0)
            job.trainer._compute_advantage(batch, {})
            with job.gradient() as gradient:
                job.trainer._update_actor(batch, {})
            assert gradient
    finally:
        set_micro_batch(before)


def test_only_live_rows_travel_and_the_record_knows_all(job, kit, questions):
    """Split groups, nobody right at first: the dead originals are recorded, not trained."""
    job.use(advantage={"groups": "split"})
    client = kit.Client(job.agent._renderer.processor, [kit.reply("A")] * 4,
                        [kit.reply("B"), kit.reply("A")])  # fmt: skip
    job.submit("s1q0", questions[0], client, kit.Teacher(kit.patch(job.store.media, 1, 2)))
    batch = job.sample(1)
    assert len(batch) == 2
    assert all(int(mask.sum()) == len(mask) for mask in job.get(batch, "response_mask"))
    (record,) = job.folder.read_step(1)
    assert [row.live for row in record.rows] == [False] * 4 + [True] * 2
    assert [outcome.second is not None for outcome in record.outcomes] == [True, True, False, False]
    assert record.row_budget == 6


def test_validation_is_greedy_rows_without_teacher_or_record(job, kit, questions):
    teacher = kit.Teacher(kit.patch(job.store.media, 1, 2))
    job.tree.actor_rollout_ref.rollout.val_kwargs.n = 3
    job.use(repair={"chosen": "best_of_group"})
    try:
        client = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "ABA"])
        job.submit("v0", questions[0], client, teacher, validate=True)
    finally:
        job.tree.actor_rollout_ref.rollout.val_kwargs.n = 1
    batch = job.sample(1, "val")
    assert teacher.asked == []
    assert [float(row.sum()) for row in job.get(batch, "rm_scores")] == [1.0, 2.0, 1.0]
    infos = [extra["reward_extra_info"] for extra in job.get(batch, "extra_fields")]
    assert [info["acc"] for info in infos] == [0.0, 1.0, 0.0]
    assert job.folder.read_step(1) == []


def test_a_failed_group_ends_the_run_with_its_reason(job, kit, questions):
    class BrokenEngine:
        async def generate(self, **request: Any) -> Any:
            raise RuntimeError("the engine has no memory left")

    teacher = kit.Teacher(NoPatch(reason="teacher_off"))
    good = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "BAAA"])
    job.submit("s1q0", questions[0], good, teacher)
    job.submit("s1q1", questions[1], BrokenEngine(), teacher)
    from ffr.train.verl.replay import GroupFailedError

    with pytest.raises(GroupFailedError, match=r"s1q1: RuntimeError: the engine has no memory"):
        job.sample(2)


def test_a_bad_video_names_itself(job, kit, questions):
    lost = questions[0].model_copy(update={"video": "lost.mp4"})
    job.submit("s1q0", lost, None, kit.Teacher(NoPatch(reason="teacher_off")))
    with pytest.raises(FfrError, match=r"lost\.mp4"):
        job.sample(1)


def test_with_skipping_the_step_goes_on_without_a_bad_video(job, kit, questions):
    job.use(data={"on_bad_row": "skip"})
    lost = questions[0].model_copy(update={"id": "gone", "video": "lost.mp4"})
    teacher = kit.Teacher(NoPatch(reason="teacher_off"))
    job.submit("s1q0", lost, None, teacher)
    good = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "BAAA"])
    job.submit("s1q1", questions[1], good, teacher)
    gradient, _, batch = job.step(2)
    assert {key.split("_")[0] for key in batch.keys if not key.startswith("pad")} == {"s1q1"}
    assert gradient
    assert job.trainer._log.step_metrics(1)["data/skipped_groups"] == 1.0
    events = [json.loads(line) for line in job.folder.events_path.read_text().splitlines()]
    assert ("gone", 1) in {(e.get("id"), e.get("step")) for e in events}
    assert any("lost.mp4" in e.get("reason", "") for e in events)


def test_questions_beyond_the_limit_end_the_run(job, questions, kit):
    job.use(data={"on_bad_row": "limit 1"})
    before = job.folder.skipped_questions()
    assert len(before) <= 1
    from ffr.train.verl.replay import GroupFailedError

    for i in range(2):
        lost = questions[0].model_copy(update={"id": f"lost{i}", "video": "lost.mp4"})
        job.submit(f"s1q{i}", lost, None, kit.Teacher(NoPatch(reason="teacher_off")))
    with pytest.raises(GroupFailedError, match=r"could not be used, data\.on_bad_row bears 1"):
        job.sample(2)
    assert job.folder.skipped_questions() - before == {"lost0", "lost1"}


def test_a_step_whose_questions_are_all_bad_says_so(job, questions, kit):
    job.use(data={"on_bad_row": "skip"})
    for i, question in enumerate(questions):
        lost = question.model_copy(update={"video": "lost.mp4"})
        job.submit(f"s1q{i}", lost, None, kit.Teacher(NoPatch(reason="teacher_off")))
    from ffr.train.verl.replay import GroupFailedError

    with pytest.raises(GroupFailedError, match=r"all 2 questions of this step were skipped"):
        job.sample(2)


def test_rollouts_differ_within_a_group_and_repeat_from_run_to_run(
    job, kit, questions, engine
):
    seen = []
    for step in (1, 1, 2):
        job.trainer.global_steps = step
        try:
            job.submit(f"s{step}q0", questions[0], engine,
                       kit.Teacher(kit.patch(job.store.media, 1, 2)))  # fmt: skip
            batch = job.sample(1)
            rows = dict(zip(batch.keys, job.get(batch, "responses"), strict=True))
            seen.append([tuple(rows[key].tolist()) for key in sorted(rows)])
            job.clear()
        finally:
            job.trainer.global_steps = 1
    assert len(set(seen[0])) > 1
    assert seen[0] == seen[1]
    assert seen[1] != seen[2]
    assert all(1 <= len(row) <= 6 for row in seen[0])
    six = len(engine.seeds) // 3
    assert six == 6  # four first answers, two repairs
    assert len(set(engine.seeds[:six])) == six
    assert engine.seeds[:six] == engine.seeds[six : 2 * six]


def test_an_update_reaches_the_rollout_server(job, kit, questions, engine, checkpoint):
    """A real optimiser step, then verl's own weight transfer into the server."""
    stock = load_model(checkpoint[1], StudentConfig(dtype="float32")).state_dict()
    parameters = dict(job.actor.actor.engine.module.named_parameters())
    before = {name: p.detach().clone() for name, p in parameters.items()}
    client = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "BAAA"])
    job.submit("s1q0", questions[0], client, kit.Teacher(NoPatch(reason="teacher_off")))
    rollout = job.actor.rollout
    rollout._server = SimpleNamespace(
        update_weights=SimpleNamespace(remote=engine.server.update_weights)
    )
    try:
        metrics: dict[str, Any] = {}
        job.trainer._step_once(metrics, {}, 1)
        assert metrics["actor/grad_norm"] > 0
        job.run(job.actor.update_weights(global_steps=7))
        served = engine.server._generator.model.state_dict()
        moved = 0
        for name, parameter in parameters.items():
            trained = parameter.detach().full_tensor()
            assert torch.equal(served[name], trained), name
            moved += not torch.equal(trained, stock[name])
        assert moved > len(parameters) // 2
        assert engine.server._global_steps == 7
    finally:
        rollout._server = None
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(before[name])
        job.run(engine.server.update_weights({k: v.clone() for k, v in stock.items()}, 0))


def test_a_step_leaves_one_line_of_finite_metrics(job, kit, questions):
    client = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "BAAA"],
                        [kit.reply("B"), kit.reply("A")])  # fmt: skip
    job.submit("s1q0", questions[0], client, kit.Teacher(kit.patch(job.store.media, 1, 2)))
    _, metrics, batch = job.step(1)
    trainer = job.trainer
    trainer.resource_pool_manager = SimpleNamespace(get_n_gpus=lambda: 1)
    trainer.config.actor_rollout_ref.rollout.name, name = "none", "ffr_hf"
    try:
        trainer._compute_metrics(
            batch, metrics, {"step": 1.0, "gen": 0.5, "update_actor": 0.2}, global_steps=1, epoch=0
        )
    finally:
        trainer.config.actor_rollout_ref.rollout.name = name
    line = json.loads(job.folder.metrics_path.read_text().splitlines()[-1])
    assert (line["stage"], line["step"]) == ("grpo", 1)
    assert line["accuracy/first_pass"] == 0.25
    assert line["repair/success_rate"] == 0.5
    assert line["critic/score/max"] == 2.0
    assert "non_finite" not in line
    assert all(np.isfinite(v) for v in line.values() if isinstance(v, float))
