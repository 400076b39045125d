"""Load a student's weights, tiny or real, by the same code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from student import torchvision_shim

torchvision_shim.install()

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText  # noqa: E402

from ffr.config.student import StudentConfig  # noqa: E402
from ffr.errors import UserError  # noqa: E402
from student.lora import merged_weights  # noqa: E402

__all__ = ["load_model"]


def load_model(folder: Path | str, config: StudentConfig, *, device: str = "cpu") -> Any:
    """The checkpoint in ``folder`` as a model in evaluation mode; verl's LoRA ones are merged.

    Args:
        folder: a Hugging Face checkpoint folder.
        config: ``dtype`` and ``attention`` are read.
        device: torch device name.

    Raises:
        UserError: the folder holds no model or lacks weights of it, or the device is missing.
    """
    try:
        how = {
            "dtype": getattr(torch, config.dtype), "attn_implementation": config.attention,
            "output_loading_info": True,
        }  # fmt: skip
        if (merged := merged_weights(Path(folder))) is None:
            model, info = AutoModelForImageTextToText.from_pretrained(folder, **how)
        else:
            shape = AutoConfig.from_pretrained(folder)
            architecture = getattr(transformers, shape.architectures[0])
            model, info = architecture.from_pretrained(
                None, config=shape, state_dict=merged, **how
            )
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"cannot load a student from {str(folder)!r} with attention={config.attention!r} "
            f"({type(error).__name__}: {str(error).splitlines()[0]}); check student.path, "
            "student.dtype and student.attention"
        ) from error
    if missing := sorted(map(str, info["missing_keys"])):
        # transformers only warns, and what is missing gets random values
        raise UserError(
            f"{str(folder)!r} lacks {len(missing)} weights of its model, such as {missing[0]!r}; "
            "it was written incompletely or by another library: take another checkpoint"
        )
    try:
        return model.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"device={device!r} cannot be used ({str(error).splitlines()[0]}); set "
            "hardware.platform to what this machine has"
        ) from error
