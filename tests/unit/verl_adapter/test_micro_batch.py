"""Micro-batches of even size: few masked rows, and workers agree with the trainer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensordict import TensorDict

from ffr.train.verl.micro_batch import (
    even_micro_batch,
    padded_rows,
    use_even_micro_batches,
)


@pytest.mark.parametrize(
    ("rows", "size", "padded"), [(1, 1, 1), (13, 13, 13), (16, 16, 16), (17, 9, 18), (33, 11, 33)]
)
def test_sizes_for_at_most_sixteen(rows, size, padded):
    assert (even_micro_batch(rows, 16), padded_rows(rows, 16)) == (size, padded)


@given(rows=st.integers(1, 10_000), most=st.integers(1, 64))
def test_the_worker_finds_the_trainers_size_again(rows, most):
    padded = padded_rows(rows, most)
    assert even_micro_batch(padded, most) == even_micro_batch(rows, most) <= most
    assert padded % even_micro_batch(padded, most) == 0
    assert 0 <= padded - rows < padded // even_micro_batch(padded, most)


def batch(**fixed):
    data = TensorDict({"x": torch.zeros(18)}, batch_size=[18])
    for name, value in fixed.items():
        data.set_non_tensor(name, value)
    return data


def test_a_batch_gets_its_size():
    data = batch()
    use_even_micro_batches(data, 16)
    assert data.get_non_tensor("micro_batch_size_per_gpu") == 9


def test_a_size_that_came_with_the_data_stays():
    """verl's SFT trainer brings one."""
    data = batch(micro_batch_size_per_gpu=6)
    use_even_micro_batches(data, 16)
    assert data.get_non_tensor("micro_batch_size_per_gpu") == 6


def test_without_a_limit_nothing_is_chosen():
    data = batch()
    use_even_micro_batches(data, None)
    assert "micro_batch_size_per_gpu" not in data.keys()  # noqa: SIM118
