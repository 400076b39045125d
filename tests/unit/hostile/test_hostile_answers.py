"""What a worker says is not trusted: any head, any bytes, one kind of failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teacher_tools import Budget, ToolRunner, builtin_toolset
from teacher_tools.runner import _NONSENSE
from teacher_tools.wire import pack, unpack

FRAME: dict[str, Any] = {
    "width": 2, "height": 2, "t_s": 0.5, "pts": 1, "box": None, "label": "", "intact": True,
}  # fmt: skip
VIDEO = Path("/media/v.mp4")
BUDGET = Budget(frames=4, pixels=10_000)


def said(frames: object, **head: object) -> str:
    evidence = {"text": "", "span": None, "frames": frames, **head}
    return json.dumps({"kind": "evidence", "evidence": evidence})


HEADS = {
    "empty": "",
    "no object": "[1]",
    "no kind": "{}",
    "odd kind": '{"kind": ["evidence"]}',
    "odd boundary": '{"kind": "failure", "boundary": ["tool"], "detail": ""}',
    "unknown boundary": '{"kind": "failure", "boundary": "home", "detail": ""}',
    "no text": '{"kind": "error"}',
    "deep": "[" * 100_000,
    "long": json.dumps({"kind": "x" * 6_000_000}),
    "no evidence": '{"kind": "evidence"}',
    "evidence is text": '{"kind": "evidence", "evidence": "frames"}',
    "evidence is null": '{"kind": "evidence", "evidence": null}',
    "frames are text": said("abc"),
    "frames are numbers": said([1]),
    "text is missing": json.dumps({"kind": "evidence", "evidence": {"frames": [], "span": None}}),
    "span is text": said([], span="x"),
    "span is backwards": said([], span={"start_s": 2, "end_s": 1}),
    "span is infinite": said([], span={"start_s": 0, "end_s": float("inf")}),
    "width zero": said([{**FRAME, "width": 0}]),
    "sides negative": said([{**FRAME, "width": -2, "height": -2}]),
    "width infinite": said([{**FRAME, "width": 1e999}]),
    "width 1e999": said([FRAME]).replace('"width": 2', '"width": 1e999'),
    "width fraction": said([{**FRAME, "width": 2.5}]),
    "width true": said([{**FRAME, "width": True}]),
    "width of 4000 digits": said([{**FRAME, "width": 10**4000}]),
    "width of 5000 digits": said([FRAME]).replace('"width": 2', '"width": ' + "9" * 5000),
    "more than was sent": said([{**FRAME, "width": 90, "height": 90}]),
    "over the budget": said([FRAME] * 5),
    "too many pixels": said([{**FRAME, "width": 101, "height": 100}]),
    "time not a number": said([{**FRAME, "t_s": float("nan")}]),
    "time negative": said([{**FRAME, "t_s": -1}]),
    "time enormous": said([{**FRAME, "t_s": 10**400}]),
    "time null": said([{**FRAME, "t_s": None}]),
    "pts enormous": said([{**FRAME, "pts": 2**64}]),
    "box of texts": said([{**FRAME, "box": ["a"] * 4}]),
    "box too short": said([{**FRAME, "box": [0, 0]}]),
    "box outside": said([{**FRAME, "box": [0, 0, 2, 2]}]),
    "box is an object": said([{**FRAME, "box": {"x": 1}}]),
}


@pytest.fixture(scope="module")
def runner() -> Iterator[ToolRunner]:
    with ToolRunner(builtin_toolset()) as runner:
        yield runner


def answer(runner: ToolRunner, head: bytes, blob: bytes) -> Any:
    tool = runner.toolset.get("clip")
    assert tool is not None
    message = len(head).to_bytes(4, "big") + head + blob
    return runner._result(tool, {}, BUDGET, *unpack(message), VIDEO)


def test_good_answer_is_taken(runner: ToolRunner) -> None:
    result = answer(runner, said([FRAME]).encode(), bytes(12))
    assert result.evidence.frames[0].size == (2, 2)


@pytest.mark.parametrize("name", HEADS)
def test_nonsense_is_one_kind_of_failure(name: str, runner: ToolRunner) -> None:
    blob = bytes(31_000 if name == "too many pixels" else 100)
    with pytest.raises(_NONSENSE):
        answer(runner, HEADS[name].encode(), blob)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
keys = st.sampled_from(["kind", "evidence", "text", "detail", "boundary"])
kinds = st.sampled_from(["evidence", "error", "failure", "phase"]) | values
frames = st.fixed_dictionaries({}, optional=dict.fromkeys(FRAME, values)).map(
    lambda changes: {**FRAME, **changes}
)
evidence = st.fixed_dictionaries(
    {"text": values, "span": values, "frames": st.lists(frames, max_size=3) | values}
)


@given(st.dictionaries(keys, values), kinds, evidence | values, st.binary(max_size=60))
def test_any_answer_is_a_result_or_nonsense(
    runner: ToolRunner, head: dict[str, Any], kind: object, inner: object, blob: bytes
) -> None:
    try:
        encoded = pack({**head, "kind": kind, "evidence": inner}, [blob])
        result = runner._result(
            builtin_toolset().get("clip"),  # type: ignore[arg-type]
            {}, BUDGET, *unpack(encoded), VIDEO,
        )  # fmt: skip
    except _NONSENSE:
        return
    assert result.evidence is None or result.evidence.pixels <= BUDGET.pixels


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_refused(message: bytes) -> None:
    try:
        head, blob = unpack(message)
    except ValueError:
        return
    assert isinstance(head, dict)
    assert len(blob) < len(message)
