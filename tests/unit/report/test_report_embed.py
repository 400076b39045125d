"""Data blocks: JSON that cannot end its block, the same for the same data."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ffr.report.embed import json_text, packed

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(plain)
def test_whatever_it_says_it_comes_back_and_cannot_end_its_block(value: Any) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set(text) & set("<>&")
    assert json.loads(gzip.decompress(base64.b64decode(packed(value)))) == value
    assert packed(value) == packed(value)


def test_numbers_json_cannot_hold_become_null() -> None:
    assert json_text([float("nan"), {"a": float("inf")}, 1.5]) == '[null,{"a":null},1.5]'
