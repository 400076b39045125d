"""The fast encoding of requests says exactly what the ordinary one says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ffr.teacher.body import encode_body

TEXT = st.text(max_size=20)
URL = st.one_of(
    st.just("data:image/jpeg;base64,/9j/4AAQ+="),
    TEXT.map(lambda tail: f"data:image/jpeg;base64,{tail}"),
    TEXT,
)
BLOCK = st.one_of(
    TEXT.map(lambda text: {"type": "text", "text": text}),
    URL.map(lambda url: {"type": "image_url", "image_url": {"url": url}}),
    URL.map(lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "low"}}),
)
MESSAGE = st.fixed_dictionaries(
    {"role": TEXT, "content": st.none() | TEXT | st.lists(BLOCK, max_size=4)},
    optional={"tool_call_id": TEXT, "tool_calls": st.lists(st.dictionaries(TEXT, TEXT))},
)


@given(
    st.lists(MESSAGE, max_size=4),
    st.dictionaries(
        TEXT.filter(lambda name: name != "messages"), st.none() | TEXT | st.integers(), max_size=3
    ),
)
def test_equal_to_json(messages: list[dict[str, Any]], others: dict[str, Any]) -> None:
    arguments = {**others, "messages": messages}
    assert json.loads(encode_body(arguments)) == json.loads(json.dumps(arguments))


def test_lone_surrogates_of_a_model_do_not_stop_a_call() -> None:
    body = encode_body({"messages": [{"role": "user", "content": "a \ud800 b"}]})
    assert json.loads(body)["messages"][0]["content"] == "a \ud800 b"
