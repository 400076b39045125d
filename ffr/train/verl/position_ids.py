"""A fix that multimodal batches need on every platform."""

from __future__ import annotations

import torch
from tensordict import TensorDict
from verl.utils.tensordict_utils import nested_tensor_from_tensor_list

__all__ = ["rebuild_position_ids"]


def rebuild_position_ids(data: TensorDict) -> None:
    """Make 3-D position ids ragged over the sequence again, in place.

    When all samples of a batch have equal length, (4, L) M-RoPE ids come back from
    the queue dense or ragged over the wrong dimension, and the split into
    micro-batches fails (verl issues 6531, 6851).  Rebuilding is cheap and exact.
    """
    if "position_ids" not in data:
        return
    ids = data["position_ids"]
    if ids.dim() != 3:
        return
    lengths = data["input_ids"].offsets().diff().tolist()
    if ids.is_nested:
        values = ids.values()
        rows = _split_values(values, lengths)
    else:
        rows = [row[:, :length] for row, length in zip(ids.unbind(0), lengths, strict=True)]
    data["position_ids"] = nested_tensor_from_tensor_list(rows)


def _split_values(values: torch.Tensor, lengths: list[int]) -> list[torch.Tensor]:
    """Split jagged storage into (4, L) rows, whichever dimension was taken as ragged."""
    total = sum(lengths)
    if values.shape[-1] == total:  # (4, sum of L): ragged over the sequence, as it should be
        return [row.contiguous() for row in torch.split(values, lengths, dim=-1)]
    # (4 * batch, L): ragged over the rope dimension; all lengths are equal here
    return [row.contiguous() for row in torch.split(values, values.shape[0] // len(lengths))]
