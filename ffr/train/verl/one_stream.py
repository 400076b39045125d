"""All pictures of a row as one stream, so that every rank calls the vision tower equally often.

verl's Qwen-VL models call the tower once for the images of a micro-batch and once for its videos.
Under FSDP each call gathers the tower's weights from all ranks: a rank whose rows hold a video
alone would make one call where another, with a patch's images, makes two, and both would wait for
each other or take one tensor for another.  To the tower an image is a video of one frame group,
and the rows of its output go to places that only the kind of token decides; so images are handed
over as videos and there is one call, everywhere, with the same result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["one_visual_stream"]

_IMAGE = ("pixel_values", "image_grid_thw")
_VIDEO = ("pixel_values_videos", "video_grid_thw")


def one_visual_stream(
    processor: Any, ids: torch.Tensor, inputs: Mapping[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    """A row with its images as videos of one frame group.

    Positions must have been computed before: they tell images from videos.

    Args:
        processor: the Hugging Face processor, for its placeholders and merge size.
        ids: (L,) prompt and response.
        inputs: the processor's tensors for the prompt; pixels (patches, values), grids (n, 3).

    Returns:
        ``ids`` with video placeholders only, and ``inputs`` without image entries; both unchanged
        where there is no image.

    Raises:
        ValueError: placeholders and grids do not fit.
    """
    if inputs.get(_IMAGE[0]) is None:
        return ids, dict(inputs)
    image_token, video_token = processor.image_token_id, processor.video_token_id
    cell = processor.image_processor.merge_size**2
    is_video = ids[(ids == image_token) | (ids == video_token)] == video_token
    waiting = {False: _media(inputs, _IMAGE), True: _media(inputs, _VIDEO)}
    pixels, grids, at = [], [], 0
    while at < len(is_video):
        kind = bool(is_video[at])
        if not waiting[kind]:
            raise ValueError(f"placeholder {at} of {len(is_video)} has no picture behind it")
        patches, grid = waiting[kind].pop(0)
        end = at + len(patches) // cell
        if not (is_video[at:end] == kind).all():
            raise ValueError(f"the placeholders {at} to {end - 1} are not all of one kind")
        pixels.append(patches)
        grids.append(grid)
        at = end
    if at != len(is_video) or waiting[False] or waiting[True]:
        raise ValueError(f"{len(is_video)} placeholders do not fit the pictures of the row")
    rest = {k: v for k, v in inputs.items() if k not in (*_IMAGE, *_VIDEO)}
    stream = {_VIDEO[0]: torch.cat(pixels), _VIDEO[1]: torch.stack(grids)}
    return torch.where(ids == image_token, video_token, ids), {**rest, **stream}


def _media(
    inputs: Mapping[str, Any], names: tuple[str, str]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Patches and grid of each picture, in the order of the row."""
    if inputs.get(names[0]) is None:
        return []
    grids = inputs[names[1]]
    return list(zip(inputs[names[0]].split(grids.prod(-1).tolist()), grids, strict=True))
