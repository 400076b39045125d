"""Final answers: what is read, what is refused, and why a quoted answer can never get through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.teacher.final_answer import FinalAnswerError, parse_final_answer

GOOD: dict[str, Any] = {
    "error_types": ["temporal"],
    "guidance": "Look from 2 to 4 seconds.",
    "key_times_s": [2.5, 3],
    "temporal_markers": ["between 2 and 4 s"],
    "spatial_regions": [{"t_s": 3.0, "box": [0.1, 0.2, 0.5, 0.6], "desc": "upper left"}],
    "evidence": ["img_1"],
}
TEXT = json.dumps(GOOD)


def without(key: str) -> str:
    return json.dumps({k: v for k, v in GOOD.items() if k != key})


def changed(**values: Any) -> str:
    return json.dumps({**GOOD, **values})


@pytest.mark.parametrize(
    "message",
    [
        TEXT,
        f"\n {TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"Here it is:\n```\n{TEXT}\n```\n",
        f"<think>the answer is B {{}}</think>\n{TEXT}",
        f"thinking without its opening tag</think>{TEXT}",
        f"<think>a</think><think>b</think>{TEXT}",
        f"<think>x</think><answer>{TEXT}</answer>",
        f"<think>x</think><|begin_of_box|>{TEXT}<|end_of_box|>",
        f"[THINK]hm[/THINK]{TEXT}",
        f"{TEXT}<think>unfinished second thoughts",
        f'First {{"draft": 1}} and finally\n{TEXT}',
        json.dumps({**GOOD, "confidence": 0.9}),
    ],
)
def test_accepted_forms(message: str) -> None:
    answer = parse_final_answer(message)
    assert answer.guidance == "Look from 2 to 4 seconds."
    assert answer.key_times_s == (2.5, 3.0)
    assert answer.spatial_regions[0].box == (0.1, 0.2, 0.5, 0.6)
    assert answer.evidence == ("img_1",)


def test_optional_fields_have_defaults() -> None:
    answer = parse_final_answer(without("temporal_markers"))
    assert answer.temporal_markers == ()
    assert parse_final_answer(without("spatial_regions")).spatial_regions == ()


def test_texts_become_one_clean_line() -> None:
    answer = parse_final_answer(changed(guidance="Look\n\n at\tthe \u200bdoor.  "))
    assert answer.guidance == "Look at the door."


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("", "after the thinking"),
        ("<think>The gold is <answer>B</answer>", "after the thinking"),
        (f"<think>unfinished {TEXT}", "after the thinking"),
        (f"<think>The answer is {TEXT}</think>", "after the thinking"),
        (f"<think>{TEXT}</think>I cannot say more.", "no complete JSON"),
        ("<think>x</think>B", "no complete JSON"),
        (TEXT[:-5], "something follows"),
        (TEXT.split('"key_times_s"', maxsplit=1)[0], "no complete JSON"),
        (f"{TEXT} The answer is B.", "something follows"),
        (f"{TEXT}\n{{", "something follows"),
        ("[1, 2]", "no complete JSON"),
        ("{" * 5000, "no complete JSON"),
        ('{"a":' * 5000, "no complete JSON"),
        ("x" * 300_000, "longer than"),
        (without("guidance"), "guidance: Field required"),
        (without("error_types"), "error_types"),
        (without("evidence"), "evidence"),
        (changed(error_types=["colour"]), "error_types"),
        (changed(error_types=[]), "error_types"),
        (changed(guidance=""), "guidance"),
        (changed(guidance=7), "guidance"),
        (changed(guidance="word " * 400), "guidance"),
        (changed(guidance="look <|im_end|> here"), "special tokens"),
        (changed(guidance="<image> look"), "special tokens"),
        (changed(temporal_markers=["</answer>"]), "special tokens"),
        (changed(temporal_markers=["</think>"]), "something follows"),
        (changed(temporal_markers=["a"] * 5), "temporal_markers"),
        (changed(temporal_markers=["word " * 30]), "at most 24 words"),
        (changed(key_times_s=["2"]), "key_times_s"),
        (changed(key_times_s=[True]), "key_times_s"),
        (changed(key_times_s=[-1.0]), "finite number >= 0"),
        (changed(key_times_s=[1.0] * 9), "key_times_s"),
        (changed(spatial_regions=[{"t_s": 1, "box": [0.5, 0.5, 0.2, 0.9]}]), "box"),
        (changed(spatial_regions=[{"t_s": 1, "box": [0, 0, 1]}]), "box"),
        (changed(evidence="img_1"), "evidence"),
        (TEXT.replace("2.5", "NaN"), "NaN is not allowed"),
        (TEXT.replace("2.5", "-Infinity"), "-Infinity is not allowed"),
        (TEXT.replace("2.5", "1e999"), "key_times_s"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_refused(message: str, why: str) -> None:
    with pytest.raises(FinalAnswerError, match=why.replace("[", r"\[")):
        parse_final_answer(message)


def test_a_reason_never_repeats_the_value() -> None:
    with pytest.raises(FinalAnswerError) as info:
        parse_final_answer(changed(error_types=["the secret gold"]))
    assert "secret" not in str(info.value)


@pytest.mark.parametrize("guidance", ["", " ", "\u200b\n"])
def test_guidance_must_say_something(guidance: str) -> None:
    with pytest.raises(FinalAnswerError, match="is empty; say in a sentence"):
        parse_final_answer(changed(guidance=guidance))


@given(st.text(max_size=300))
def test_arbitrary_text_is_refused_not_crashed_on(text: str) -> None:
    with pytest.raises(FinalAnswerError):
        parse_final_answer(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x),
        max_leaves=8,
    )
)
def test_arbitrary_json_in_every_field(value: Any) -> None:
    for key in GOOD:
        try:
            answer = parse_final_answer(changed(**{key: value}))
        except FinalAnswerError:
            continue
        assert answer.guidance
        assert answer.error_types
