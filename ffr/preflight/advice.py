"""Which settings would make a run fit that does not: tried on the estimate, not guessed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from ffr.config.schema import RunConfig
from ffr.errors import UserError

__all__ = ["ways_to_fit"]

_FSDP = "verl.actor_rollout_ref.actor.fsdp_config"
_SHARES = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)
_LORA = "grpo.lora={rank: 64, alpha: 128}"
_MOST = 3


def ways_to_fit(config: RunConfig, fits: Callable[[RunConfig], bool]) -> str:
    """One sentence that says what to change.

    Args:
        config: the run, which does not fit.
        fits: whether a changed one would; it may raise ``UserError`` for what cannot be.
    """
    alone: dict[str, str] = {}
    for text, changed in _candidates(config):
        if _key(text) not in alone and _try(fits, changed):
            alone[_key(text)] = text  # the mildest value of each key comes first
    if alone:
        return "set " + "; or ".join(list(alone.values())[:_MOST])
    texts = [text for text, _ in _candidates(config)]
    for one, other in itertools.combinations(texts, 2):
        if _key(one) != _key(other) and _try(fits, _with(config, *_settings(f"{one} {other}"))):
            return f"set {one} and {other}"
    together = config
    for text in texts:
        together = _with(together, *_settings(text))
    if _try(fits, together):
        return "set all of " + ", ".join({_key(text): text for text in texts}.values())
    return "use more devices (hardware.devices_per_node, nodes), larger ones, or a smaller student"


def _candidates(config: RunConfig) -> Iterator[tuple[str, RunConfig]]:
    grpo, hardware = config.grpo, config.hardware
    texts: list[str] = []
    if "grpo" in config.stages and grpo.micro_batch_size > 1:
        texts += [f"grpo.micro_batch_size={n}" for n in (8, 4, 2, 1) if n < grpo.micro_batch_size]
    if "sft" in config.stages and config.sft.micro_batch_size > 1:
        texts += [f"sft.micro_batch_size={n}" for n in (8, 4, 2, 1)
                  if n < config.sft.micro_batch_size]  # fmt: skip
    if hardware.platform == "cuda":
        share = hardware.gpu_memory_utilization
        texts += [f"hardware.gpu_memory_utilization={x}" for x in _SHARES if x < share]
        if hardware.strategy == "fsdp2":
            texts.append(f"{_FSDP}.param_offload=true {_FSDP}.optimizer_offload=true")
    shorter = config.student.max_response_tokens // 2
    if shorter >= 256:
        texts.append(f"student.max_response_tokens={shorter}")
    if grpo.lora is None and "grpo" in config.stages:
        texts.append(_LORA)
    if hardware.platform == "cpu" and hardware.rollout_workers > 1:
        texts.append("hardware.rollout_workers=1")
    for text in texts:
        yield text, _with(config, *_settings(text))


def _settings(text: str) -> list[tuple[str, Any]]:
    pairs = [word.partition("=") for word in text.replace(_LORA, "grpo.lora=0").split()]
    values = [(key, json.loads(value)) for key, _, value in pairs]
    return [(k, {"rank": 64, "alpha": 128} if k == "grpo.lora" else v) for k, v in values]


def _key(text: str) -> str:
    return text.partition("=")[0]


def _with(config: RunConfig, *settings: tuple[str, Any]) -> RunConfig:
    tree = config.model_dump(mode="json")
    for key, value in settings:
        *path, last = key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return RunConfig.model_validate_json(json.dumps(tree), strict=True)


def _try(fits: Callable[[RunConfig], bool], config: RunConfig) -> bool:
    try:
        return fits(config)
    except UserError:
        return False
