"""What the answers of the tasks mean: devices, tokens and the dry rollout as findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ffr.config.schema import RunConfig
from ffr.preflight.check import Check
from ffr.preflight.shape import ModelShape
from ffr.preflight.tasks import Answer

__all__ = ["cluster_check", "device_check", "longest_prompt", "rollout_check", "token_checks"]


def device_check(config: RunConfig, answer: Answer) -> Check:
    """Devices of this machine against ``hardware.devices_per_node``."""
    wanted = config.hardware.devices_per_node
    if answer.error:
        return Check("machine", "devices", "problem", answer.error, "install torch for this GPU")
    devices = answer.found["devices"]
    names = ", ".join(sorted({f"{name} ({size / 1e9:.0f} GB)" for name, size in devices}))
    text = f"{len(devices)} here{f': {names}' if names else ''}; configured: {wanted} a node"
    if len(devices) >= wanted:
        return Check("machine", "devices", "ok", text)
    fix = f"set hardware.devices_per_node to at most {len(devices)}, or run on a node with {wanted}"
    if not devices:
        built = answer.found["cuda"]
        fix = f"run on a node with {wanted} GPUs, or set hardware.platform=cpu" + (
            "" if built else "; the installed torch is built without CUDA"
        )
    return Check("machine", "devices", "problem", text, fix)


def cluster_check(answer: Answer) -> Check:
    """The Ray cluster of a run on several nodes."""
    if answer.error:
        fix = "start Ray on all nodes and export RAY_ADDRESS, or let `ffr launch` do both"
        return Check("machine", "cluster", "problem", answer.error, fix)
    return Check("machine", "cluster", "ok", str(answer.found))


def longest_prompt(answer: Answer) -> int | None:
    """Tokens of the longest prompt that was measured."""
    if answer.error:
        return None
    known = [n for name in ("plain", "patched", "one_image") for n in answer.found[name] if n]
    return max(known, default=None)


def token_checks(config: RunConfig, shape: ModelShape | None, answer: Answer) -> Iterator[Check]:
    """Measured prompts against ``student.max_prompt_tokens`` and the model's own limit."""
    limit, response = config.student.max_prompt_tokens, config.student.max_response_tokens
    key = f"student.max_prompt_tokens={limit}"
    if answer.error:
        yield Check("data", "prompt tokens", "problem", answer.error, "mend what it names")
        return
    found = answer.found
    yield _prompts("prompt tokens", found["plain"], limit, _reason(found), fatal=True, key=key)
    if found["patched"]:
        images = config.teacher.patch_max_frames
        full = _prompts(
            f"prompt tokens, patch of {images} images", found["patched"], limit, _reason(found),
            fatal=False, key=key,
        )  # fmt: skip
        if full.status != "ok":
            one = found["one_image"]
            if not any(one):
                full = Check(
                    full.group, full.name, "problem",
                    f"{full.found}; not even one image fits: no repair would be possible", full.fix,
                )  # fmt: skip
        yield full
    if shape is not None and shape.max_positions < limit + response:
        yield Check(
            "model", "positions", "problem",
            f"{key} and student.max_response_tokens={response} make {limit + response}, the model "
            f"takes {shape.max_positions}",
            f"lower their sum to at most {shape.max_positions}",
        )  # fmt: skip


def _prompts(
    name: str, tokens: list[int | None], limit: int, reason: str, *, fatal: bool, key: str
) -> Check:
    known = [n for n in tokens if n is not None]
    refused = len(tokens) - len(known)
    if not refused:
        text = f"{min(known)} to {max(known)} in {len(known)} prompts; allowed: {limit}"
        return Check("data", name, "ok", text)
    lost = f"{refused} of {len(tokens)} refused ({reason}); allowed: {limit}"
    fix = f"raise {key}, or lower student.frames.count, max_pixels or patch_max_pixels"
    return Check("data", name, "problem" if fatal else "warning", lost, fix)


def _reason(found: dict[str, Any]) -> str:
    return str(found["refused"][0])[:300] if found["refused"] else ""


def rollout_check(config: RunConfig, answer: Answer) -> Check:
    """The dry rollout: how far it got."""
    name = "dry rollout"
    if answer.error:
        fix = "mend what it names; preflight.skip=[rollout] leaves it out"
        return Check("run", name, "problem", answer.error, fix)
    f = answer.found
    took = f"{f['seconds']:.0f} s"
    if f["stage"] == "second":
        return Check(
            "run", name, "ok",
            f"question, answer, teacher, patch, second answer, reward {f['reward']:.2f} ({took})",
        )  # fmt: skip
    if f["stage"] == "left_out":
        fix = "make it on a machine of the run, with `ffr doctor CONFIG`, or raise the limit"
        return Check("run", name, "warning", f"not made: {f['detail']}", fix)
    if f["stage"] == "refused":
        why = f"{f['reason']}: {f['detail']}" if f["detail"] else str(f["reason"])
        told = f"{f['asked'] - f['right']} wrong answers, none was repaired ({took}); last: {why}"
        fix = "the run goes on as plain GRPO where there is no patch; see docs/guide/teacher.md"
        return Check("run", name, "warning", told, fix)
    if config.teacher.kind == "none":
        return Check("run", name, "ok", f"question, answer, reward {f['reward']:.2f} ({took})")
    told = f"{f['asked']} questions, all answered right: nothing to repair was met ({took})"
    return Check("run", name, "warning", told, "nothing, unless you expected failures")
