import json

import pytest

from ffr.demo.observer import Reply
from ffr.demo.observer_calls import ToolRequest
from ffr.demo.observer_images import ImageReader
from ffr.demo.server_wire import RequestError, parse_chat, reply_body


def parse(**changes):
    request = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | changes
    return parse_chat(json.dumps(request).encode(), ImageReader())


def user(*blocks):
    return [{"role": "user", "content": list(blocks)}]


def test_tokens_are_counted(grey, as_url):
    picture = {"type": "image_url", "image_url": {"url": as_url(grey(side=96))}}
    text = {"type": "text", "text": "x" * 400}
    assert parse(messages=user(text)).prompt_tokens == 100
    assert parse(messages=user(text, picture)).prompt_tokens == 100 + 16  # 4 x 4 squares of 28


def test_tool_choice_none_takes_the_tools_away():
    tools = [{"type": "function", "function": {"name": "clip", "parameters": {}}}]
    assert parse(tools=tools).tools == tools
    assert parse(tools=tools, tool_choice="auto").tools == tools
    assert parse(tools=tools, tool_choice="none").tools == []


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": None}, "model"),
        ({"stream": True}, "stream"),
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "{}"}]}, "messages[0]"),
        ({"messages": user({"type": "input_audio"})}, "messages[0].content[0]"),
        ({"messages": user("bare text")}, "messages[0].content[0]"),
        ({"messages": user({"type": "text", "text": 3})}, "messages[0].content[0]"),
        ({"messages": user({"type": "image_url", "image_url": "u"})}, "messages[0].content[0]"),
        (
            {"messages": user({"type": "image_url", "image_url": {"url": "http://x/y.png"}})},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}]},
            "messages[0].tool_calls[0]",
        ),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
        ({"tools": [{"type": "retrieval", "function": {"name": "x"}}]}, "tools[0]"),
        (
            {"tools": [{"type": "function", "function": {"name": "x", "parameters": [1]}}]},
            "tools[0]",
        ),
    ],
)
def test_malformed_requests_name_the_parameter(changes, param):
    with pytest.raises(RequestError) as caught:
        parse(**changes)
    assert caught.value.status == 400
    assert (caught.value.param or "").startswith(param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"3"])
def test_bodies_that_are_no_json_object(body):
    with pytest.raises(RequestError):
        parse_chat(body, ImageReader())


def test_tool_calls_on_the_wire():
    reply = Reply(calls=(ToolRequest("clip", {"frames": 3}), ToolRequest("zoom", {})), content="")
    body = reply_body(parse(), reply)
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    first, second = choice["message"]["tool_calls"]
    assert first["id"] != second["id"]
    assert json.loads(first["function"]["arguments"]) == {"frames": 3}
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_final_content_on_the_wire():
    body = reply_body(parse(), Reply(calls=(), content="{}"))
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "{}"}
    assert body["choices"][0]["finish_reason"] == "stop"
