"""Where verl keeps checkpoints, and which of them is the last whole one."""

from __future__ import annotations

from pathlib import Path

__all__ = ["actor_folder", "latest_step"]


def latest_step(checkpoints: Path) -> int | None:
    """Step of the last checkpoint verl finished writing, or ``None``."""
    tracker = checkpoints / "latest_checkpointed_iteration.txt"
    if not tracker.is_file():
        return None
    text = tracker.read_text().strip()
    return int(text) if text.isdigit() else None


def actor_folder(checkpoints: Path, step: int) -> Path:
    """The Hugging Face form of the policy at ``step``."""
    return checkpoints / f"global_step_{step}" / "actor" / "huggingface"
