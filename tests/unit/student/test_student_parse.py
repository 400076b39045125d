from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from student.parse import parse_choice, parse_number, parse_response

TAGS = ["<think>", "</think>", "<answer>", "</answer>", "<keyframes>", "</keyframes>"]
plain = st.text(st.characters(exclude_characters="<>", codec="utf-8"), max_size=30)


def test_reads_think_answer_and_keyframes() -> None:
    parsed = parse_response(
        "<think>at <keyframes>5.0, 1:02.5; 7 s</keyframes> a cross</think>\n<answer> red cross "
        "</answer>"
    )
    assert parsed.well_formed
    assert parsed.problems == ()
    assert parsed.answer == "red cross"
    assert parsed.keyframes_s == (5.0, 62.5, 7.0)
    assert parsed.think == "at <keyframes>5.0, 1:02.5; 7 s</keyframes> a cross"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "missing_think"),
        ("B", "missing_answer"),
        ("<answer>B</answer>", "missing_think"),
        ("<think>x</think>B", "missing_answer"),
        ("<think>x</think><answer>B", "unbalanced_tags"),
        ("<think>x<answer>B</answer>", "unbalanced_tags"),
        ("<think>x</think><think>y</think><answer>B</answer>", "repeated_think"),
        ("<think>x</think><answer>A</answer><answer>B</answer>", "repeated_answer"),
        ("<answer>B</answer><think>x</think>", "wrong_order"),
        ("<think>x<answer>B</answer></think>", "wrong_order"),
        ("</think>x<think><answer>B</answer>", "wrong_order"),
        ("<think>x</think><answer> \n </answer>", "empty_answer"),
        ("<think>x</think></answer><answer>", "wrong_order"),
        ("<THINK>x</THINK><ANSWER>B</ANSWER>", "missing_answer"),
        ("<think>" + "x" * 200_000 + "</think><answer>B</answer>", "too_long"),
    ],
)
def test_malformed_responses_have_no_answer(text: str, problem: str) -> None:
    parsed = parse_response(text)
    assert parsed.answer is None
    assert not parsed.well_formed
    assert problem in parsed.problems


@pytest.mark.parametrize(
    "text",
    [
        "so: <think>x</think><answer>B</answer>",
        "<think>x</think> hence <answer>B</answer>",
        "<think>x</think><answer>B</answer> and more",
    ],
)
def test_text_outside_the_blocks_is_malformed_but_leaves_the_answer(text: str) -> None:
    parsed = parse_response(text)
    assert parsed.answer == "B"
    assert not parsed.well_formed
    assert parsed.problems == ("text_outside",)


@pytest.mark.parametrize(
    ("block", "times", "problems"),
    [
        ("nan, inf, -1, 4.7", (4.7,), ("unreadable_keyframes",)),
        ("soon", (), ("unreadable_keyframes",)),
        ("1e9, 3", (3.0,), ("unreadable_keyframes",)),
        ("4.7", (4.7,), ()),
        ("1:00:03, 2 seconds", (3603.0, 2.0), ()),
    ],
)
def test_keyframes_are_finite_and_never_negative(
    block: str, times: tuple[float, ...], problems: tuple[str, ...]
) -> None:
    parsed = parse_response(f"<think><keyframes>{block}</keyframes></think><answer>B</answer>")
    assert parsed.keyframes_s == times
    assert parsed.well_formed
    assert parsed.problems == problems


def test_keyframes_outside_think_do_not_count() -> None:
    parsed = parse_response("<think>x</think><answer><keyframes>3</keyframes>B</answer>")
    assert parsed.keyframes_s == ()
    assert parsed.problems == ("keyframes_outside_think",)


@given(plain, plain.filter(lambda t: bool(t.strip())), st.sampled_from(["", " ", "\n\n", "\t"]))
def test_any_two_blocks_round_trip(think: str, answer: str, gap: str) -> None:
    parsed = parse_response(f"<think>{think}</think>{gap}<answer>{answer}</answer>")
    assert parsed.well_formed
    assert (parsed.think, parsed.answer) == (think.strip(), answer.strip())


@given(st.lists(st.one_of(plain, st.sampled_from(TAGS)), max_size=12).map("".join))
def test_hostile_text_never_raises_and_flags_agree(text: str) -> None:
    parsed = parse_response(text)
    if parsed.well_formed:
        assert parsed.answer
        assert parsed.think is not None
    else:
        assert parsed.problems
    assert all(math.isfinite(t) and t >= 0 for t in parsed.keyframes_s)
    if parsed.answer is not None:
        assert text.count("<answer>") == text.count("</answer>") == text.count("<think>") == 1
        assert "<answer>" not in parsed.answer


OPTIONS = ("a dog", "A cat", "3.5", "none of these")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"), ("b", "B"), ("(B)", "B"), ("B.", "B"), ("**B**", "B"), ("Option B", "B"),
        ("option (b)", "B"), ("B) A cat", "B"), ("B) whatever", "B"), ("**B**. A cat", "B"),
        ("A cat", "B"), ("a CAT.", "B"), ("  A   cat ", "B"), ("[d]", "D"), ("3.5", "C"),
        ("A bird", None), ("E", None), ("e) x", None), ("", None), ("  ", None), ("AB", None),
        ("B or C", None), ("A) A cat", None), ("the cat", None), ("nan", None),
    ],
)
def test_choice_letters(answer: str, letter: str | None) -> None:
    assert parse_choice(answer, OPTIONS) == letter


def test_a_text_two_options_share_means_neither() -> None:
    assert parse_choice("red", ("red", "Red.", "blue")) is None
    assert parse_choice("A", ("red", "Red.", "blue")) == "A"


def test_a_lone_letter_is_a_letter_even_when_options_are_letters() -> None:
    assert parse_choice("A", ("B", "A")) == "A"
    assert parse_choice("X", ("B", "X")) == "B"


@given(st.text(max_size=40), st.lists(st.text(max_size=12), min_size=2, max_size=26))
def test_choice_is_a_letter_of_the_options_or_none(answer: str, options: list[str]) -> None:
    letter = parse_choice(answer, options)
    assert letter is None or ord(letter) - ord("A") < len(options)


@given(st.integers(2, 26), st.data())
def test_every_spelling_of_a_letter_is_that_letter(count: int, data: st.DataObject) -> None:
    options = [f"thing number {i}" for i in range(count)]
    index = data.draw(st.integers(0, count - 1))
    letter = chr(ord("A") + index)
    form = data.draw(st.sampled_from(["{}", "({})", "{}.", "**{}**", "Option {}", "{}: x", "{})y"]))
    case = data.draw(st.sampled_from([str.upper, str.lower]))
    assert parse_choice(form.format(case(letter)), options) == letter
    assert parse_choice(options[index], options) == letter


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", (5.0, "")), ("5.0", (5.0, "")), ("-5", (-5.0, "")), ("+5", (5.0, "")),
        ("\u22125", (-5.0, "")), (".5", (0.5, "")), ("1,234,567.5", (1234567.5, "")),
        ("42%", (42.0, "%")), ("42 %", (42.0, "%")), (" 7. ", (7.0, "")), ("**7**", (7.0, "")),
        ("1e3", (1000.0, "")), ("-0", (0.0, "")), ("５", (5.0, "")),
        ("nan", None), ("NaN", None), ("inf", None), ("-inf", None), ("Infinity", None),
        ("1e999", None), ("9" * 400, None), ("", None), ("five", None), ("5 apples", None),
        ("1,23", None), ("12,34,567", None), ("1.2.3", None), ("--5", None), ("0x10", None),
        ("1_000", None), ("%", None), (".", None), ("5%%", None), ("٣", None),
    ],
)
def test_numbers(text: str, value: tuple[float, str] | None) -> None:
    assert parse_number(text) == value


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_python_floats_round_trip(value: float) -> None:
    parsed = parse_number(repr(value))
    assert parsed is not None
    assert parsed == (value, "")


@given(st.integers(-(10**15), 10**15))
def test_thousands_commas_do_not_change_the_value(value: int) -> None:
    assert parse_number(f"{value:,}") == parse_number(str(value)) == (float(value), "")


@given(st.text(max_size=50))
def test_numbers_are_finite_or_absent(text: str) -> None:
    parsed = parse_number(text)
    assert parsed is None or math.isfinite(parsed[0])
