"""Seeds of requests: different within a group, the same in the next run."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np

from ffr.train.verl.engine_student import EngineStudent
from student.processor import EncodedPrompt
from student.prompt_parts import Message, StudentPrompt, TextPart, VideoPart
from student.time_axis import TimeAxis

END = 9


class Engine:
    """Remembers requests; the responses ``1 2`` are cut off every other time."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def generate(self, **request: Any) -> Any:
        self.requests.append(request)
        cut = len(self.requests) % 2 == 0
        return SimpleNamespace(
            token_ids=[1, 2] if cut else [1, 2, END], log_probs=[-0.5] * (3 - cut), extra_fields={}
        )

    @property
    def seeds(self) -> list[int]:
        return [request["sampling_params"]["seed"] for request in self.requests]


class Renderer:
    async def encode(self, prompt: StudentPrompt) -> EncodedPrompt:
        return EncodedPrompt((5, 6), {}, "key")

    def decode(self, token_ids: Any) -> str:
        return " ".join(map(str, token_ids))

    def is_cut_off(self, token_ids: Any) -> bool:
        return token_ids[-1] != END


class Requests:
    def build(self, prompt: Any, encoded: EncodedPrompt, sampling: dict[str, Any]) -> Any:
        return {"prompt_ids": list(encoded.prompt_ids), "sampling_params": sampling}

    def check(self, prompt: Any, encoded: EncodedPrompt, read: dict[str, Any]) -> None:
        pass


def prompt(patch_id: str | None = None) -> StudentPrompt:
    video = VideoPart(np.zeros((1, 28, 28, 3), np.uint8), TimeAxis((0.5,), 10.0, 1.0))
    return StudentPrompt((Message("user", (video, TextPart("Which?"))),), patch_id, "q0")


def ask(prompts: list[StudentPrompt], *seed_parts: object) -> tuple[Engine, list[Any]]:
    engine = Engine()
    sampling = {"temperature": 1.0, "top_p": 0.9}
    student = EngineStudent(engine, Renderer(), Requests(), sampling, seed_parts or (0, 1, "q0"))

    async def all_at_once() -> list[Any]:
        return list(await asyncio.gather(*map(student.answer, prompts)))

    rollouts = asyncio.run(all_at_once())
    assert "seed" not in sampling
    return engine, rollouts


def test_every_rollout_of_a_group_has_its_own_seed():
    engine, _ = ask([prompt()] * 8 + [prompt("p1")] * 4 + [prompt("p2")])
    assert len(set(engine.seeds)) == 13
    assert all(0 <= seed < 2**31 for seed in engine.seeds)


def test_seeds_repeat_from_run_to_run_and_differ_between_steps():
    prompts = [prompt(), prompt(), prompt("p1")]
    first, again, later = (ask(prompts, 0, step, "q0")[0].seeds for step in (1, 1, 2))
    assert sorted(first) == sorted(again)
    assert not set(first) & set(later)


def test_a_seed_does_not_depend_on_what_else_was_asked():
    """A repair gets the same stream however many first answers came before it."""
    alone, _ = ask([prompt("p1")])
    after, _ = ask([prompt(), prompt(), prompt("p1")])
    assert alone.seeds[0] in after.seeds


def test_a_rollout_carries_what_was_sampled_and_under_which_prompt():
    asked = prompt()
    engine, (whole, cut) = ask([asked, asked])
    assert whole.prompt is asked
    assert whole.token_ids == (1, 2, END)
    assert whole.text == "1 2 9"
    assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")
    assert whole.prompt_ids == (5, 6)
    assert whole.log_probs == (-0.5, -0.5, -0.5)
    assert [r["sampling_params"]["top_p"] for r in engine.requests] == [0.9, 0.9]
    assert len({request["request_id"] for request in engine.requests}) == 2
