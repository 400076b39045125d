"""Write a checkpoint's weights and processor anew, and prove the result by loading it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: E402

from ffr.export.locate import Checkpoint, Dtype, ExportError  # noqa: E402
from student.lora import write_merged  # noqa: E402

__all__ = ["Written", "write_weights"]


@dataclass(frozen=True)
class Written:
    """What was written and loaded again.

    Attributes:
        parameters: number of weights.
        digest: SHA-256 over names, shapes and bytes of all tensors, in the order of names.
        merged_lora: whether low-rank parts were folded in.
    """

    parameters: int
    digest: str
    merged_lora: bool


def write_weights(
    checkpoint: Checkpoint, target: Path, dtype: Dtype, *, shard_size: str = "5GB"
) -> Written:
    """Load a checkpoint as the libraries do, write it to ``target``, load that and compare.

    Needs host memory for one copy of the weights (two while LoRA is merged).

    Raises:
        ExportError: it does not load completely, or what was written differs.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        source = Path(scratch) / "merged"
        merged = write_merged(checkpoint.folder, source)
        model = _load(source if merged else checkpoint.folder, dtype)
        model.save_pretrained(target, max_shard_size=shard_size)
        AutoProcessor.from_pretrained(checkpoint.folder).save_pretrained(target)
        before, parameters = _digest(model), sum(p.numel() for p in model.parameters())
        del model
    after = _digest(_load(target, dtype))
    if before != after:
        raise ExportError(
            f"the weights written to {target} differ from the checkpoint; check that disk and "
            "export again"
        )
    AutoProcessor.from_pretrained(target)
    return Written(parameters, after, merged_lora=merged)


def _load(folder: Path, dtype: Dtype) -> Any:
    try:
        model, info = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=getattr(torch, dtype), output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ExportError(f"cannot load {folder} ({type(error).__name__}: {reason})") from error
    wrong = {kind: sorted(map(str, names)) for kind, names in info.items() if names}
    if wrong:
        kind, names = next(iter(wrong.items()))
        raise ExportError(
            f"{folder} does not hold this model: {kind} {len(names)}, such as {names[0]}; "
            "export another step"
        )
    return model.eval()


def _digest(model: Any) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
