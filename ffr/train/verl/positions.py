"""M-RoPE position ids of one sequence, from the model's own function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["position_ids", "rope_kwargs"]


def rope_kwargs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What ``get_rope_index`` needs beyond grids: Qwen2.5-VL's seconds per frame group."""
    return {k: inputs[k] for k in ("second_per_grid_ts",) if k in inputs}


def position_ids(
    processor: Any, input_ids: torch.Tensor, inputs: Mapping[str, Any]
) -> torch.Tensor:
    """Positions of shape (4, L): text index, then time, height and width.

    Args:
        processor: verl's Hugging Face processor, to which it binds the model's ``get_rope_index``.
        input_ids: (L,) prompt and response without padding.
        inputs: the processor's tensors for that prompt.
    """
    ids = input_ids.unsqueeze(0)
    types = torch.zeros_like(ids)
    types[ids == processor.image_token_id] = 1
    types[ids == processor.video_token_id] = 2
    vision, _ = processor.get_rope_index(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        image_grid_thw=inputs.get("image_grid_thw"),
        video_grid_thw=inputs.get("video_grid_thw"),
        mm_token_type_ids=types,
        **rope_kwargs(inputs),
    )
    text = torch.arange(len(input_ids)).view(1, 1, -1)
    return torch.cat([text, vision.transpose(0, 1)], dim=1).squeeze(0)
