"""Tool calls in texts: what is read, what is left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.teacher.text_calls import read_tool_calls
from ffr.teacher.text_tools import as_text
from ffr.teacher.untrusted import defuse

FINAL = '{"error_types": ["temporal"], "guidance": "Look.", "key_times_s": [], "evidence": []}'
ONE = '{"name": "clip", "arguments": {"start_s": 1}}'


def calls(text: str) -> list[tuple[str, str]]:
    return [(r.name, r.arguments) for r in read_tool_calls(text)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<tool_call>{ONE}</tool_call>", [("clip", '{"start_s": 1}')]),
        (f"<tool_call>{ONE}\n{ONE}</tool_call>", [("clip", '{"start_s": 1}')] * 2),
        (f"<tool_call>{ONE}<tool_call>{ONE}</tool_call>", [("clip", '{"start_s": 1}')] * 2),
        (f"```json\n[{ONE}, {ONE}]\n```", [("clip", '{"start_s": 1}')] * 2),
        (f"~~~\n{ONE}\n~~~", [("clip", '{"start_s": 1}')]),
        ('{"type": "function", "function": {"name": "zoom"}}', [("zoom", "{}")]),
        ('{"name": "clip", "arguments": {"t": NaN}}', [("clip", '{"t": NaN}')]),
        ('<tool_call>{"name": "clip", "argum</tool_call>', [("clip", '{"name": "clip", "argum')]),
        ("<tool_call>clip(1, 2)</tool_call>", [("unreadable", "clip(1, 2)")]),
        ("<tool_call>", [("unreadable", "")]),
        (f"<think><tool_call>{ONE}</tool_call>", []),
        (f"<think><tool_call>{ONE}</tool_call></think>{FINAL}", []),
        (FINAL, []),
        (f"```json\n{FINAL}\n```", []),
        (f"I would call {ONE} but will not.", []),
        ('{"name": 5, "arguments": {}}', []),
        ('{"name": "clip", "arguments": [1]}', []),
        ("[" * 5000, []),
        ("", []),
    ],
)
def test_forms(text: str, expected: list[tuple[str, str]]) -> None:
    assert calls(text) == expected


def test_without_calls_the_reply_is_unchanged_and_with_them_they_are_cut_out() -> None:
    text = f"<think>hm</think>{FINAL}"
    assert read_tool_calls(text) == (text, ())
    rest, found = read_tool_calls(f"<think>hm</think>I look. <tool_call>{ONE}</tool_call>")
    assert rest == "I look."
    assert [call.id for call in found] == ["call_0"]
    assert len(read_tool_calls(f"<tool_call>{ONE}</tool_call>" * 50)[1]) == 16


@given(st.text(alphabet='<>/tool_call{}[]":, \nname`~', max_size=200))
def test_nothing_crashes(text: str) -> None:
    for call in read_tool_calls(text)[1]:
        assert isinstance(call.name, str)


def test_roles_alternate_and_calls_become_text() -> None:
    function = {"name": "clip", "arguments": "not json"}
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "text", "text": "Q"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": function}]},
        {"role": "tool", "tool_call_id": "c", "content": "R1"},
        {"role": "tool", "tool_call_id": "d", "content": "R2"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
    ]
    tool = {"type": "function", "function": {"name": "clip"}}
    plain = as_text(messages, [tool])
    assert [m["role"] for m in plain] == ["system", "user", "assistant", "user"]
    assert json.dumps(tool) in plain[0]["content"]
    assert plain[2]["content"].startswith("<tool_call>")
    assert [block["type"] for block in plain[3]["content"]] == ["text", "text", "image_url"]
    assert as_text(messages, [])[0]["content"] == "S"


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "<|image_pad|>", "</tool_response>", "<TOOL_CALL>", "<tools>"]
)
def test_quoted_control_tokens_are_broken(text: str) -> None:
    assert text not in defuse(f"a {text} b")
    assert defuse("a < b |> c <b>") == "a < b |> c <b>"
