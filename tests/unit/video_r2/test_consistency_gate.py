"""Conclusions by rules, the gate, its verdicts: spec video_r2 §10.4, errata rulings 3, 4, 10."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.data.question import AnswerType, AskedQuestion
from rewards.video_r2.agreement import same_conclusion
from rewards.video_r2.conclusion import rules_conclusion
from rewards.video_r2.gate import (
    consistency_gate,
    read_verdict,
    released_verdict,
    rules_gate,
)
from rewards.video_r2.judging import Judged
from student.parse import parse_response

OPTIONS = ("red kite", "blue car", "A cat", "car")


def ask(answer_type: AnswerType = "choice") -> AskedQuestion:
    options = OPTIONS if answer_type == "choice" else ()
    return AskedQuestion(
        id="q", video="v.mp4", question="What is it?", options=options, answer_type=answer_type
    )


class Scripted:
    """A judge that says what it was made with, and counts its calls."""

    def __init__(self, verdict: Judged[bool]) -> None:
        self.verdict = verdict
        self.asked: list[tuple[str, str, bool]] = []

    async def consistent(
        self, question: AskedQuestion, think: str, answer: str, *, released: bool = False
    ) -> Judged[bool]:
        self.asked.append((think, answer, released))
        return self.verdict

    async def claims(self, think: str) -> Judged[Mapping[str, str]]:
        return Judged(None, "not_asked")

    async def conclusion(self, question: AskedQuestion, think: str) -> Judged[str]:
        return Judged(None, "not_asked")

    async def grounding(self, prompt: str, think: str) -> Judged[int]:
        return Judged(None, "not_asked")


@pytest.mark.parametrize(
    ("reply", "released", "ours"),
    [
        ("TRUE\nit fits", True, True),
        ("True - because", True, True),
        ("FALSE", False, False),
        ("Answer: TRUE", True, True),
        ("**TRUE**", True, True),
        ("", None, None),
        ("The reasoning is consistent.", None, None),
        ("<think></think>\nTRUE", None, None),
        ("TRUE or FALSE", True, None),
        ("UNTRUE", True, None),
        ("\n\n  false.\nTRUE", False, False),
    ],
)
def test_verdicts(reply: str, released: bool | None, ours: bool | None) -> None:
    assert released_verdict(reply) is released
    assert read_verdict(reply) is ours


@pytest.mark.parametrize(
    ("think", "letter"),
    [
        ("I see it. The answer is B.", "B"),
        ("So the correct answer is (B) because it moves.", "B"),
        ("The answer is B. blue car", "B"),
        ("The answer is blue car.", "B"),
        ("The final answer: **A**", "A"),
        ("Therefore option D is correct.", "D"),
        ("I'll go with A.", "A"),
        ("\\boxed{B}", "B"),
        ("First I thought the answer is A, but the answer is B.", "B"),
        ("The answer is not A. Therefore, B", "B"),
        ("It is a cat, so it must be option C", "C"),
        ("The answer is A cat", "C"),
        ("The answer is a cat", "C"),
        ("If the answer is A, it would fly. It drives past: a blue car.", "B"),
        ("The answer is A or B.", None),
        ("The answer is A, B or D.", None),
        ("The answer is A/B", None),
        ("I don't think the answer is B. It's C.", "C"),
        ("I do not think the answer is B.", None),
        ("The best choice is car, not red kite.", "D"),
        ("So the answer is A. But wait, is the answer B? No.", "A"),
        ("The answer must be (B), not (A).", "B"),
        ("Is the answer B?", None),
        ("It could be B.", None),
        ("It is not a blue car.", None),
        ("I can see a red kite and a blue car.", None),
        ("A car drives past.", "D"),
        ("The answer is F.", None),
        ("Because it moves.", None),
        ("", None),
    ],
)
def test_conclusions_of_choices(think: str, letter: str | None) -> None:
    assert rules_conclusion(think, ask()) == letter


@pytest.mark.parametrize(
    ("answer_type", "think", "wanted"),
    [
        ("number", "At 00:12 I count. The answer is 5.", "5"),
        ("number", "At 3.5 seconds there are 7 birds.", "7"),
        ("number", "There are 3 and then 4 birds.", None),
        ("number", "3 and 4 make 7. So the answer is 7", "7"),
        ("number", "The answer is 12%.", "12%"),
        ("regression", "It is 1,000 m long.", "1,000"),
        ("text", "at <keyframes>4.7</keyframes> orange cross", "orange cross"),
        ("text", "I look around. The answer is an orange cross, because it glows.",
         "an orange cross"),
        ("text", "A long walk through the whole city leads nowhere at all in the end", None),
        ("text", "It is not an orange cross.", None),
        ("text", "It is an orange cross.", "orange cross"),
        ("text", "Something glows. Let me answer now.", None),
        ("number", "I count them. Let me look at frame 42 again.", None),
        ("number", "Frame 42 shows 7 birds.", "7"),
        ("free_form", "The answer is the man leaves", "the man leaves"),
    ],
)  # fmt: skip
def test_conclusions_of_other_types(
    answer_type: AnswerType, think: str, wanted: str | None
) -> None:
    assert rules_conclusion(think, ask(answer_type)) == wanted


@pytest.mark.parametrize(
    ("answer_type", "conclusion", "answer", "same"),
    [
        ("choice", "B", "(b)", True),
        ("choice", "B", "blue car", True),
        ("choice", "B", "C", False),
        ("choice", "B", "Z", None),
        ("number", "5", "5.0", True),
        ("number", "100", "100.9", True),
        ("number", "100", "101.1", False),
        ("number", "0.004", "0", True),
        ("number", "0.006", "0", False),
        ("number", "12%", "12", False),
        ("number", "5", "five", None),
        ("text", "an orange cross", "Orange cross.", True),
        ("text", "blue circle", "orange cross", False),
        ("free_form", "the man leaves", "He goes away", None),
    ],
)
def test_agreement(
    answer_type: AnswerType, conclusion: str, answer: str, same: bool | None
) -> None:
    assert same_conclusion(conclusion, answer, ask(answer_type)) is same


@pytest.mark.parametrize(
    ("response", "value", "reason"),
    [
        ("<think>The answer is B.</think><answer>B</answer>", 1.0, "same"),
        ("<think>The answer is A.</think><answer>B</answer>", 0.0, "differs"),
        ("<think></think><answer>B</answer>", 0.0, "no_think"),
        ("<answer>B</answer>", 0.0, "no_think"),
        ("<think>The answer is B.</think><answer> </answer>", 0.0, "no_answer"),
        ("<think>Hm.</think><answer>B</answer>", None, "no_conclusion"),
        ("<think>The answer is B.</think><answer>Z</answer>", None, "not_comparable"),
    ],
)
def test_rules_gate(response: str, value: float | None, reason: str) -> None:
    verdict = rules_gate(ask(), parse_response(response))
    assert (verdict.value, verdict.reason) == (value, reason)


async def test_the_judge_is_asked_only_where_rules_are_silent() -> None:
    judge = Scripted(Judged(True))
    clear = "<think>The answer is A.</think><answer>B</answer>"
    assert (await consistency_gate(ask(), clear, judge, "default")).value == 0.0
    assert judge.asked == []
    silent = "<think>Hm.</think><answer>B</answer>"
    verdict = await consistency_gate(ask(), silent, judge, "default")
    assert (verdict.value, verdict.by) == (1.0, "judge")
    assert judge.asked == [("Hm.", "B", False)]


async def test_a_failed_judge_is_unknown_in_default_and_zero_as_released() -> None:
    judge = Scripted(Judged(None, "timeout"))
    response = "<think>Hm.</think><answer>B</answer>"
    verdict = await consistency_gate(ask(), response, judge, "default")
    assert (verdict.value, verdict.by, verdict.reason) == (None, "judge", "timeout")
    verdict = await consistency_gate(ask(), response, judge, "parity")
    assert (verdict.value, verdict.reason) == (0.0, "timeout")
    assert (await consistency_gate(ask(), response, None, "default")).value is None


async def test_the_released_gate_always_asks_with_first_tags() -> None:
    judge = Scripted(Judged(True))
    response = "<think>x</think><answer>A</answer><answer>B</answer>"
    verdict = await consistency_gate(ask(), response, judge, "parity")
    assert verdict.value == 1.0
    assert judge.asked == [("x", "A", True)]
    with pytest.raises(ValueError, match="judge"):
        await consistency_gate(ask(), response, None, "parity")


@given(
    st.text(max_size=80),
    st.sampled_from(["choice", "number", "text", "ocr", "free_form", "regression"]),
)
def test_any_reasoning_is_read_without_harm(text: str, answer_type: AnswerType) -> None:
    for think in (text, f"The answer is {text}", f"{text} so the option is {text}"):
        said = rules_conclusion(think, ask(answer_type))
        assert said is None or said.strip()


def test_hostile_reasoning_is_fast() -> None:
    for text in ("answer is " * 15_000, "A is " * 30_000, "if " * 60_000, "1" * 190_000):
        rules_conclusion(text, ask())
        rules_conclusion(text, ask("number"))


@pytest.mark.parametrize(("answer", "value"), [("orange cross", 1.0), ("blue circle", 0.0)])
def test_the_compact_style_of_the_demo_world(answer: str, value: float) -> None:
    response = f"<think>at <keyframes>4.7</keyframes> orange cross</think><answer>{answer}</answer>"
    assert rules_gate(ask("text"), parse_response(response)).value == value
