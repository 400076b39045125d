"""Micro-batches of even size: a step's number of rows is not a multiple of anything."""

from __future__ import annotations

from tensordict import TensorDict
from verl.utils.tensordict_utils import assign_non_tensor

__all__ = ["even_micro_batch", "padded_rows", "use_even_micro_batches"]


def even_micro_batch(rows: int, most: int) -> int:
    """Rows per micro-batch when ``rows`` go into as few as possible of at most ``most`` each."""
    return -(-rows // -(-rows // most))


def padded_rows(rows: int, most: int) -> int:
    """``rows`` rounded up to what even micro-batches need: fewer rows more than there are batches.

    verl wants full micro-batches.  Filling the last one up to ``most`` instead would be a forward
    and backward pass over up to ``most`` - 1 masked rows.
    """
    size = even_micro_batch(rows, most)
    return -(-rows // size) * size


def use_even_micro_batches(data: TensorDict, most: int | None) -> None:
    """Choose the size for one rank's ``data``, in place; the trainer padded it to fit.

    Data that brings its own size (SFT) keeps it; without a ``most`` verl's own rules apply.
    """
    if most is not None and "micro_batch_size_per_gpu" not in data.keys():  # noqa: SIM118
        assign_non_tensor(data, micro_batch_size_per_gpu=even_micro_batch(len(data), most))
