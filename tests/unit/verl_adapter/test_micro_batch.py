"""Micro-batches of even size: few masked rows, and workers agree with the trainer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.train.verl.micro_batch import even_micro_batch, padded_rows


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
