"""A student's checkpoint in this process; the one module of the job that needs torch."""

from __future__ import annotations

from pathlib import Path

from ffr.config.cache import CacheConfig
from ffr.errors import UserError
from ffr.patches.media import MediaStore
from ffr.train.rendering import PromptRenderer
from student.generate import BatchedStudent

__all__ = ["load_checkpoint_student"]


def load_checkpoint_student(
    config: CacheConfig, media_root: Path
) -> tuple[BatchedStudent, PromptRenderer]:
    """The student of ``student.path`` and the renderer of its prompts.

    Raises:
        UserError: the folder is no checkpoint, or it cannot be loaded.
    """
    wanted, path = config.failures.student, config.student.path
    assert wanted is not None
    if path is None or not (Path(path) / "config.json").is_file():
        raise UserError(
            f"student.path={path!r} holds no config.json; give the folder of a Hugging Face "
            "checkpoint (jobs never download models), or failures.student.endpoint"
        )
    renderer = PromptRenderer(
        config.student, media_root=media_root, model_path=path,
        patch_media=MediaStore(media_root / "no-patches-are-shown"),
    )  # fmt: skip
    student = BatchedStudent.load(
        path, config.student, temperature=wanted.temperature, seed=config.seed,
        max_batch=wanted.batch_size, device=wanted.device,
    )  # fmt: skip
    return student, renderer
