"""Arguments are hostile until checked; refusals say the value and what is allowed."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from teacher_tools import Box, Evidence, Seconds, ToolError, Video, teacher_tool


@teacher_tool
def look(
    video: Video,
    t_s: Seconds,
    box: Box,
    end_s: Seconds | None = None,
    count: Annotated[int, Field(ge=1, le=16)] = 8,
    mode: Literal["fast", "good"] = "fast",
    word: str = "",
) -> Evidence:
    """Look.

    Args:
        t_s: When.
        box: Where.
        end_s: Until.
        count: How many.
        mode: How.
        word: What.
    """
    return Evidence()


GOOD: dict[str, Any] = {"t_s": 1.5, "box": [0, 0.25, 0.5, 1]}


def parse(**changes: Any) -> dict[str, Any]:
    return look.parameters.parse(json.dumps({**GOOD, **changes}))


def test_good_arguments_get_their_types_and_defaults() -> None:
    assert parse() == {
        "t_s": 1.5, "box": (0.0, 0.25, 0.5, 1.0), "end_s": None, "count": 8, "mode": "fast",
        "word": "",
    }  # fmt: skip
    assert parse(t_s=3)["t_s"] == 3.0
    assert parse(count=4.0)["count"] == 4
    assert isinstance(parse(count=4.0)["count"], int)
    assert parse(end_s=2)["end_s"] == 2.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"t_s": "1.5"}, ["t_s='1.5'", "a number >= 0"]),
        ({"t_s": True}, ["t_s=True"]),
        ({"t_s": None}, ["t_s=None"]),
        ({"t_s": -1}, ["t_s=-1"]),
        ({"t_s": math.nan}, ["t_s=nan"]),
        ({"t_s": math.inf}, ["t_s=inf"]),
        ({"t_s": [1]}, ["t_s=[1]"]),
        ({"count": 0}, ["count=0", "a whole number from 1 to 16"]),
        ({"count": 17}, ["count=17"]),
        ({"count": 2.5}, ["count=2.5"]),
        ({"count": True}, ["count=True"]),
        ({"count": "8"}, ["count='8'"]),
        ({"count": 10**30}, ["count=1000"]),
        ({"mode": "slow"}, ["mode='slow'", "'fast', 'good'"]),
        ({"mode": 1}, ["mode=1"]),
        ({"box": [0, 0, 1]}, ["box=[0, 0, 1]", "a list of 4 items"]),
        ({"box": [0, 0, 1, 1, 1]}, ["box"]),
        ({"box": [0, 0, 1, 1.01]}, ["box[3]=1.01", "from 0 to 1"]),
        ({"box": [0, 0, 1, math.nan]}, ["box[3]=nan"]),
        ({"box": [0.5, 0, 0.5, 1]}, ["x0 < x1"]),
        ({"box": "0,0,1,1"}, ["box="]),
        ({"box": {"x0": 0}}, ["box="]),
        ({"word": "x" * 2001}, ["word=", "2000"]),
        ({"path": "a.mp4"}, ["unknown argument 'path'", "t_s, box"]),
        ({"video": "a.mp4"}, ["unknown argument 'video'"]),
        ({"end_s": False}, ["end_s=False", "or null"]),
    ],
    ids=str,
)
def test_bad_argument_is_named_with_its_range(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ToolError) as caught:
        parse(**changes)
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'t_s' is missing; give a number >= 0"),
        ("{", "not valid JSON"),
        ("null", "one JSON object"),
        ("[1]", "one JSON object"),
        ('"x"', "one JSON object"),
        ("{'t_s': 1}", "not valid JSON"),
        ('{"t_s": 1}', "'box' is missing"),
        ("[" * 5000, "not valid JSON"),
        ('{"t_s": ' + "1" * 20_000 + "}", "at most 16384"),
    ],
)
def test_what_is_no_object_is_refused(text: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        look.parameters.parse(text)


def test_refusals_carry_no_paths() -> None:
    with pytest.raises(ToolError) as caught:
        parse(mode="/home/someone/secret.mp4", word=["file:///etc/passwd"])
    assert "home" not in str(caught.value)
    assert "etc" not in str(caught.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
names = st.sampled_from(["t_s", "box", "end_s", "count", "mode", "word"]) | st.text(max_size=6)


@given(st.dictionaries(names, values, max_size=8))
def test_any_object_is_either_good_or_refused(arguments: dict[str, Any]) -> None:
    try:
        parsed = look.parameters.parse(json.dumps({**GOOD, **arguments}))
    except ToolError:
        return
    assert math.isfinite(parsed["t_s"])
    assert parsed["t_s"] >= 0
    assert type(parsed["count"]) is int
    assert 1 <= parsed["count"] <= 16
    x0, y0, x1, y1 = parsed["box"]
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1
    assert parsed["mode"] in ("fast", "good")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("utf-8", "replace")))
def test_any_text_is_either_good_or_refused(text: str) -> None:
    with pytest.raises(ToolError):
        look.parameters.parse(text)
