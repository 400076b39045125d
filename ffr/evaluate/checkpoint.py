"""A checkpoint folder in this process; the one module of an evaluation that needs torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from ffr.config.protocol import EvalProtocol
from ffr.config.student import StudentConfig
from ffr.elect.candidate import RawCandidate
from ffr.elect.local import LocalSource
from ffr.elect.source import Request
from ffr.errors import UserError
from ffr.evaluate.open_model import OpenModel, student_of
from ffr.evaluate.reply import ModelStoppedError
from ffr.patches.media import MediaStore
from ffr.train.rendering import PromptRenderer
from student.generate import BatchGenerator
from student.model import load_model
from student.processor import StudentProcessor

__all__ = ["Dtype", "default_device", "open_checkpoint", "open_student", "stored_dtype"]

Dtype = Literal["float32", "bfloat16"]


class _Source(LocalSource):
    """Says what to do when the memory of the device does not suffice."""

    async def generate(self, requests: Sequence[Request]) -> list[RawCandidate]:
        """See ``Source``.

        Raises:
            ModelStoppedError: out of memory; or as ``LocalSource``.
        """
        try:
            return await super().generate(requests)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise ModelStoppedError(
                f"the device's memory does not suffice for {len(requests)} sequences together; "
                "lower --batch-size, or the protocol's frames"
            ) from error


def default_device() -> str:
    """``cuda`` where there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def stored_dtype(folder: Path) -> Dtype:
    """``bfloat16`` for checkpoints kept in half precision, else ``float32``.

    Raises:
        UserError: there is no readable ``config.json``.
    """
    try:
        config = json.loads((folder / "config.json").read_bytes())
        text = config.get("text_config") or {}
        names = (config.get("dtype"), config.get("torch_dtype"), text.get("dtype"))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"cannot read {folder}/config.json; give a checkpoint folder") from error
    return "bfloat16" if {"bfloat16", "float16"} & set(names) else "float32"


def open_checkpoint(
    protocol: EvalProtocol, folder: Path, media_root: Path, *, batch_size: int, device: str,
    dtype: Dtype, attention: str = "sdpa",
) -> OpenModel:  # fmt: skip
    """A checkpoint under a protocol.

    Args:
        protocol: frames, wording, prompt limit.
        folder: a Hugging Face checkpoint folder.
        media_root: folder every video must lie under.
        batch_size: most sequences generated together.
        device: torch device name.
        dtype: of the weights.
        attention: as transformers names it.

    Raises:
        UserError: the checkpoint cannot be loaded.
    """
    limit = student_of(protocol).max_prompt_tokens
    processor = StudentProcessor(folder, max_prompt_tokens=limit)
    student = student_of(
        protocol, processor.size_multiple, path=str(folder), dtype=dtype, attention=attention
    )
    return open_student(
        student, folder, media_root, batch_size=batch_size, device=device, processor=processor
    )


def open_student(
    student: StudentConfig, folder: Path | str, media_root: Path | str, *, batch_size: int,
    device: str, patch_media: MediaStore | None = None, frame_cache: str | Path | None = None,
    processor: StudentProcessor | None = None,
) -> OpenModel:  # fmt: skip
    """A checkpoint as a run's configuration describes it; see ``open_checkpoint``.

    Args:
        student: frames, wording, token limits, dtype, attention.
        folder: the checkpoint.
        media_root: folder every video must lie under.
        batch_size: most sequences generated together.
        device: torch device name.
        patch_media: where the images of patches are, for prompts with evidence.
        frame_cache: folder of decoded frames.
        processor: of the checkpoint, where it is loaded already.
    """
    renderer = PromptRenderer(
        student, media_root=media_root, model_path=folder, frame_cache=frame_cache,
        patch_media=patch_media or MediaStore(Path(media_root) / "no-patches-are-shown"),
        processor=processor,
    )  # fmt: skip
    generator = BatchGenerator(load_model(folder, student, device=device), renderer.processor)
    return OpenModel(
        _Source(generator, max_batch=batch_size), renderer, in_process=True, generator=generator,
        size_multiple=renderer.processor.size_multiple,
    )  # fmt: skip
