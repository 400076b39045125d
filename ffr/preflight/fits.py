"""Whether a run fits the memory of its devices and nodes; what to change if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from ffr.config.schema import RunConfig
from ffr.preflight.advice import ways_to_fit
from ffr.preflight.check import Check
from ffr.preflight.memory import Estimate, device_memory, engine_room, host_memory
from ffr.preflight.settings import read_settings
from ffr.preflight.shape import ModelShape

__all__ = ["available_host_bytes", "memory_checks"]

_USABLE = 0.95  # of a GPU: the rest is lost to fragments
_TIGHT = 0.85
_Stage = Literal["sft", "grpo"]
_Fits = Callable[[RunConfig], bool]


def memory_checks(
    config: RunConfig,
    shape: ModelShape,
    *,
    device_bytes: float | None,
    host_bytes: float | None,
    prompt_tokens: int | None = None,
) -> Iterator[Check]:
    """The estimates against what there is.

    Args:
        config: resolved.
        shape: of the student.
        device_bytes: memory of the smallest GPU; ``None`` without one.
        host_bytes: memory of one node that is free for the run; ``None`` when unknown.
        prompt_tokens: longest prompt that was measured.
    """
    stages: list[_Stage] = [s for s in ("sft", "grpo") if s in config.stages]
    if not stages:
        return
    on_cpu = config.hardware.platform == "cpu"
    if not on_cpu and device_bytes is None:
        yield Check(
            "model", "GPU memory", "warning", "no GPU here to compare with",
            "give its memory: preflight.device_memory_gb=80",
        )  # fmt: skip
    for stage in stages:
        if not on_cpu and device_bytes is not None:
            yield _device(config, shape, stage, device_bytes, prompt_tokens)
        yield _host(config, shape, stage, host_bytes, prompt_tokens)
    apart = "grpo" in stages and config.hardware.rollout in ("vllm", "sglang")
    if apart and device_bytes is not None:
        yield _room(config, shape, device_bytes, prompt_tokens)


def _device(
    config: RunConfig, shape: ModelShape, stage: _Stage, size: float, tokens: int | None
) -> Check:
    def estimate(c: RunConfig) -> Estimate:
        return device_memory(shape, read_settings(c, shape, stage, prompt_tokens=tokens), size)

    def fits(c: RunConfig) -> bool:
        if estimate(c).peak > _USABLE * size:
            return False
        settings = read_settings(c, shape, stage, prompt_tokens=tokens)
        return settings.engine in ("", "transformers") or engine_room(shape, settings, size) >= 1

    found = estimate(config)
    return _judge(config, f"GPU memory, {stage}", found, size, _USABLE, fits)


def _host(
    config: RunConfig, shape: ModelShape, stage: _Stage, size: float | None, tokens: int | None
) -> Check:
    def estimate(c: RunConfig) -> Estimate:
        return host_memory(shape, read_settings(c, shape, stage, prompt_tokens=tokens))

    found = estimate(config)
    name = f"host memory of a node, {stage}"
    if size is None:
        return Check(
            "model", name, "warning", f"estimate {found}; what is free here is unknown",
            "give it: preflight.host_memory_gb",
        )  # fmt: skip
    return _judge(config, name, found, size, 1.0, lambda c: estimate(c).peak <= size)


def _judge(
    config: RunConfig, name: str, found: Estimate, size: float, usable: float, fits: _Fits
) -> Check:
    share = found.peak / size
    text = f"estimate {found}; there are {size / 1e9:.1f} GB"
    if share > usable:
        allowed = f", of which {usable:.0%} may be used" if usable < 1 else ""
        return Check("model", name, "problem", text + allowed, ways_to_fit(config, fits))
    if share > _TIGHT:
        return Check("model", name, "warning", text, f"{share:.0%} is tight for an estimate")
    return Check("model", name, "ok", text)


def _room(config: RunConfig, shape: ModelShape, size: float, tokens: int | None) -> Check:
    settings = read_settings(config, shape, "grpo", prompt_tokens=tokens)
    room = engine_room(shape, settings, size)
    key = "hardware.gpu_memory_utilization"
    text = (
        f"room for {max(int(room), 0)} sequences of {settings.tokens} tokens in one engine's "
        f"{settings.engine_share:.0%} of {settings.tensor_parallel} GPU(s), asked at once: "
        f"{settings.sequences}"
    )
    if room < 1:
        fix = (
            f"raise {key}={settings.engine_share:g}, or spread an engine over more GPUs: "
            "verl.actor_rollout_ref.rollout.tensor_model_parallel_size"
        )
        return Check("model", "rollout engine's cache", "problem", text, fix)
    if room < settings.sequences / 4:
        fix = f"answers will queue for long; raise {key}={settings.engine_share:g}"
        return Check("model", "rollout engine's cache", "warning", text, fix)
    return Check("model", "rollout engine's cache", "ok", text)


def available_host_bytes() -> float | None:
    """Memory this machine, or the container we are in, has left; ``None`` when it says nothing."""
    found = [free for free in (_meminfo(), _cgroup()) if free is not None]
    return min(found) if found else None


def _meminfo() -> float | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024.0
    except OSError:
        return None
    return None


def _cgroup() -> float | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        cached = [int(line.split()[1]) for line in (folder / "memory.stat").read_text().splitlines()
                  if line.startswith("inactive_file ")]  # fmt: skip
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) - used + float(sum(cached))
