"""Fold LoRA's low-rank parts into the weights they belong to.

verl writes a LoRA run's checkpoint with the names of the wrapped model, which no library loads
as the model itself: every weight would silently be a fresh random one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ffr.errors import UserError

__all__ = ["is_wrapped", "lora_scale", "merge_lora", "merged_weights", "write_merged"]

_WRAPPER = "base_model.model."
_BASE, _A, _B = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"


def merged_weights(folder: Path) -> dict[str, torch.Tensor] | None:
    """All weights of verl's LoRA checkpoint, merged; ``None`` for an ordinary checkpoint.

    Args:
        folder: with the safetensors; verl's own note on rank and alpha lies beside it.

    Raises:
        UserError: rank and alpha are unknown, or the parts do not fit together.
    """
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as shard:  # names first: an ordinary one is not read
            if not is_wrapped(shard.keys()):
                return None
        tensors |= load_file(file)
    return merge_lora(tensors, lora_scale(folder.parent)) if tensors else None


def write_merged(folder: Path, target: Path) -> bool:
    """Write verl's LoRA checkpoint as an ordinary one; the folder appears whole or not at all.

    Args:
        folder: with the safetensors, processor and configuration files.
        target: a folder that is there is replaced.

    Returns:
        Whether there was anything to merge; else nothing is written.

    Raises:
        UserError: as ``merged_weights``.
    """
    merged = merged_weights(folder)
    if merged is None:
        return False
    work = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        for file in folder.iterdir():
            if file.is_file() and ".safetensors" not in file.name:
                shutil.copy2(file, work)
        whole = {name: tensor.contiguous() for name, tensor in merged.items()}
        save_file(whole, work / "model.safetensors", metadata={"format": "pt"})
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return True


def is_wrapped(names: Iterable[str]) -> bool:
    """Whether these are tensors of a LoRA-wrapped model (one shard of them will do)."""
    return all(name.startswith(_WRAPPER) for name in names)


def lora_scale(state: Path) -> float:
    """``alpha / r`` of a checkpoint, as verl noted it.

    Raises:
        UserError: the note is missing or damaged.
    """
    path = state / "lora_train_meta.json"
    try:
        meta = json.loads(path.read_bytes())
        return float(meta["lora_alpha"]) / float(meta["r"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(
            f"cannot read rank and alpha of this LoRA checkpoint from {path} "
            f"({type(error).__name__}); write {{\"r\": ..., \"lora_alpha\": ...}} there"
        ) from error


def merge_lora(tensors: Mapping[str, torch.Tensor], scale: float) -> dict[str, torch.Tensor]:
    """``W + scale * B @ A`` under the model's own names; computed in float32.

    Args:
        tensors: of the wrapped model: ``base_model.model.X.base_layer.weight``,
            ``...X.lora_A.default.weight`` (r, in), ``...X.lora_B.default.weight`` (out, r).
        scale: see ``lora_scale``.

    Raises:
        UserError: a low-rank part has no counterpart.
    """
    merged: dict[str, torch.Tensor] = {}
    used = 0
    for name, tensor in tensors.items():
        if name.endswith((_A, _B)):
            continue
        plain = name.removeprefix(_WRAPPER)
        if _BASE in plain and plain.endswith("weight"):
            stem = name.removesuffix(".base_layer.weight")
            if stem + _A in tensors and stem + _B in tensors:
                low, high = tensors[stem + _A].float(), tensors[stem + _B].float()
                tensor = (tensor.float() + scale * (high @ low)).to(tensor.dtype)
                used += 2
        merged[plain.replace(_BASE, ".")] = tensor
    parts = sum(name.endswith((_A, _B)) for name in tensors)
    if used != parts:
        raise UserError(
            f"{parts - used} of {parts} LoRA tensors belong to no weight of this checkpoint; "
            "take an earlier step, or merge with `python -m verl.model_merger`"
        )
    return merged
