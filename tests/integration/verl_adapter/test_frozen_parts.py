"""What is not to be trained is not trained: a frozen vision tower, the base under LoRA."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ffr.config.student import StudentConfig
from ffr.errors import UserError
from ffr.patches.patch import NoPatch
from student.model import load_model

ADAPTER = ("lora_A", "lora_B")


def train_once(job: Any, kit: Any, questions: list[Any]) -> Any:
    """A real optimiser step over one group: all parameters, and the names of those that moved."""
    parameters = dict(job.actor.actor.engine.module.named_parameters())
    before = {name: p.detach().full_tensor().clone() for name, p in parameters.items()}
    client = kit.Client(job.agent._renderer.processor, [kit.reply(a) for a in "BAAA"])
    job.submit("s1q0", questions[0], client, kit.Teacher(NoPatch(reason="teacher_off")))
    metrics: dict[str, Any] = {}
    job.trainer._step_once(metrics, {}, 1)
    job.clear()
    assert metrics["actor/grad_norm"] > 0
    after = {name: p.detach().full_tensor() for name, p in parameters.items()}
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    return SimpleNamespace(moved=moved, parameters=parameters)


def is_visual(name: str) -> bool:
    return "visual" in name.split(".")


def test_a_frozen_vision_tower_stays(start_job, kit, questions):
    run = train_once(start_job(grpo={"freeze_vision": True, "weight_decay": 0.1}), kit, questions)
    visual = {name for name in run.parameters if is_visual(name)}
    assert len(visual) > 10
    assert not visual & run.moved
    assert run.moved == run.parameters.keys() - visual


def test_otherwise_it_is_trained(start_job, kit, questions):
    run = train_once(start_job(), kit, questions)
    assert {name for name in run.parameters if is_visual(name)} & run.moved


@pytest.mark.parametrize("freeze", [True, False])
def test_lora_trains_adapters_and_sends_merged_weights(
    start_job, kit, questions, checkpoint, freeze
):
    from ffr.train.verl.hf_rollout import HfServer

    job = start_job(grpo={"lora": {"rank": 4, "alpha": 8}, "freeze_vision": freeze})
    run = train_once(job, kit, questions)
    assert run.moved
    assert all(any(kind in name for kind in ADAPTER) for name in run.moved)
    assert any(is_visual(name) for name in run.moved) == (not freeze)

    server = HfServer(
        str(checkpoint[1]), {"dtype": "float32", "response_length": 4, "max_num_seqs": 4}
    )
    job.actor.rollout._server = SimpleNamespace(
        update_weights=SimpleNamespace(remote=server.update_weights)
    )
    job.run(job.actor.update_weights(global_steps=1))
    stock = load_model(checkpoint[1], StudentConfig(dtype="float32")).state_dict()
    served = server._generator.model.state_dict()
    # verl sends merged weights as bfloat16: compare what differs by more than that rounding.
    changed = {
        name for name, tensor in served.items()
        if not torch.equal(tensor.bfloat16(), stock[name].bfloat16())
    }  # fmt: skip
    assert any(name.endswith("self_attn.q_proj.weight") for name in changed)
    assert any(is_visual(name) for name in changed) == (not freeze)


def test_a_model_without_vision_tower_cannot_have_it_frozen():
    from ffr.train.verl.workers import freeze_vision

    with pytest.raises(UserError, match=r"sft\.freeze_vision=true, .* has no part called 'visual'"):
        freeze_vision(torch.nn.Linear(2, 2), "sft.freeze_vision")
