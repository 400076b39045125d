"""Encoders declare their thresholds; nothing falls back silently."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.video_r2 import EncoderConfig
from ffr.errors import UserError
from rewards.video_r2.encoders import LexicalEncoder, build_encoder


@pytest.mark.parametrize(
    ("left", "right", "matches"),
    [
        ("a red kite rises", "the red kite is rising", True),
        ("an orange cross appears", "orange cross", True),
        ("a man opens the green door", "the man opened a green door", True),
        ("an orange cross appears", "an orange circle appears", False),
        ("a man opens the door", "a man closes the door", False),
        ("the man leaves", "a dog barks", False),
        ("", "a dog barks", False),
        ("the is", "the is", False),
    ],
)
def test_lexical_threshold(left: str, right: str, matches: bool) -> None:
    encoder = LexicalEncoder()
    assert (encoder.cosines([left], [right])[0][0] >= encoder.threshold) is matches


@given(st.lists(st.text(max_size=20), max_size=4), st.lists(st.text(max_size=20), max_size=4))
def test_lexical_cosines_are_symmetric_and_bounded(left: list[str], right: list[str]) -> None:
    encoder = LexicalEncoder()
    found = encoder.cosines(left, right)
    turned = encoder.cosines(right, left)
    assert [len(row) for row in found] == [len(right)] * len(left)
    for i, row in enumerate(found):
        for j, value in enumerate(row):
            assert 0.0 <= value <= 1.0
            assert value == pytest.approx(turned[j][i])


def test_the_lexical_encoder_has_to_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_encoder(EncoderConfig(kind="lexical")).name == "lexical-stems-v1"
    assert build_encoder(EncoderConfig(kind="lexical", threshold=0.5)).threshold == 0.5
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match="pip install sentence-transformers"):
        build_encoder(EncoderConfig())


def test_an_undeclared_threshold_is_refused() -> None:
    with pytest.raises(UserError, match=r"encoder\.threshold"):
        build_encoder(EncoderConfig(model="someone/another-model"))
