"""TAC and VAS: spec video_r2 §9.2-9.4 (averages), §10.10, §10.11, §12.4 (8) and (9)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from ffr.data.question import AskedQuestion, Question
from rewards.video_r2.judging import Judged
from rewards.video_r2.resampling import macro_ratio, ratio
from rewards.video_r2.tac import (
    TacRow,
    judged_row,
    macro_tac,
    released_consistency,
    tac_report,
    tac_row,
)
from rewards.video_r2.vas_attention import attention_score
from rewards.video_r2.vas_claims import (
    claimed_grounding,
    macro_vas,
    read_score,
    released_score,
    vas_report,
)
from student.parse import parse_response

ROWS = ["AAA", "BBB", "CCD", "DAD", "ABC", "BCC", "C-C", "DDD", "ABA", "B--"]


def question(gold: str) -> Question:
    return Question(
        id="q", video="v.mp4", question="Which?", options=("w", "x", "y", "z"),
        answer_type="choice", answer=gold,
    )  # fmt: skip


def row(letters: str) -> TacRow:
    gold, think, answer = letters
    said = "Hm." if think == "-" else f"The answer is {think}."
    block = "" if answer == "-" else f"<answer>{answer}</answer>"
    return tac_row(question(gold), parse_response(f"<think>{said}</think>{block}"))


def test_worked_example() -> None:
    rows = [row(letters) for letters in ROWS]
    report = tac_report(rows)
    values = {name: getattr(report, name).value for name in
              ("strict", "parsed", "coverage", "correct", "agree")}  # fmt: skip
    assert values == pytest.approx(
        {"strict": 0.4, "parsed": 0.5, "coverage": 0.8, "correct": 0.5, "agree": 0.6}
    )
    counts = report.counts
    assert [counts[k] for k in ("tp", "tn", "fp", "fn")] == [3, 3, 1, 3]
    assert (counts["n"], counts["no_conclusion"], counts["no_answer"]) == (10, 2, 1)
    assert sum(r.answer_right for r in rows) / 10 == 0.6
    assert sum(r.think_right for r in rows) / 10 == 0.4


def test_released_summary() -> None:
    found = released_consistency([row(letters) for letters in ROWS])
    assert found.consistency_accuracy == 0.5
    assert found.consistency_error == 0.5
    assert found.correlation == pytest.approx(0.6)
    assert found.disagreement == pytest.approx(0.4)
    assert found.consistency_score == pytest.approx(-0.5)
    assert found.signed_disagreement == pytest.approx(-0.4)
    assert found.mixer == pytest.approx(0.568)
    assert found.signed_mixer == pytest.approx(-0.568)


def test_strict_tac_does_not_depend_on_what_is_right() -> None:
    for gold in "ABCD":
        report = tac_report([row(gold + letters[1:]) for letters in ROWS])
        assert report.strict.value == pytest.approx(0.4)
        assert report.parsed.value == pytest.approx(0.5)


def test_intervals_hold_the_value_and_repeat() -> None:
    rows = [row(letters) for letters in ROWS] * 10
    report = tac_report(rows, seed=3)
    strict = report.strict
    assert strict.low is not None
    assert strict.high is not None
    assert strict.value is not None
    assert 0.28 < strict.low < strict.value < strict.high < 0.52
    assert tac_report(rows, seed=3) == report
    # The share of 100 rows: the normal approximation is close to the bootstrap.
    assert strict.high - strict.low == pytest.approx(2 * 1.96 * (0.4 * 0.6 / 100) ** 0.5, rel=0.1)


def test_resampling_equals_drawing_rows_one_by_one() -> None:
    pairs = [(1.0, 1.0)] * 6 + [(0.0, 1.0)] * 9 + [(0.0, 0.0)] * 5
    generator = np.random.default_rng(1)
    picks = generator.integers(0, len(pairs), size=(4000, len(pairs)))
    sums = np.array(pairs)[picks].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    found = ratio(pairs, resamples=4000)
    assert found.value == 0.4
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.04)


def test_empty_denominators_are_not_available() -> None:
    none_right = tac_report([row("ABB"), row("ACC")])
    assert none_right.correct.value is None
    assert none_right.strict.value == 1.0
    nothing = tac_report([])
    assert nothing.strict.value is None
    assert released_consistency([]).correlation is None
    assert released_consistency([row("ABB")]).consistency_score is None
    macro = macro_tac({"a": [row("AAA")], "b": [row("ABB")]})
    assert macro.correct.value == 1.0
    assert macro.correct.n_unavailable == 1
    assert macro.strict.value == 1.0


class Concluding:
    """A judge that reads one conclusion into everything."""

    def __init__(self, said: Judged[str]) -> None:
        self.said = said
        self.calls = 0

    async def conclusion(self, question: AskedQuestion, think: str) -> Judged[str]:
        self.calls += 1
        return self.said

    async def grounding(self, prompt: str, think: str) -> Judged[int]:
        self.calls += 1
        return Judged(7)

    async def claims(self, think: str) -> Judged[Mapping[str, str]]:
        return Judged(None, "not_asked")

    async def consistent(
        self, question: AskedQuestion, think: str, answer: str, *, released: bool = False
    ) -> Judged[bool]:
        return Judged(None, "not_asked")


async def test_the_judge_reads_only_what_rules_could_not() -> None:
    judge = Concluding(Judged("C"))
    silent = parse_response("<think>Hm.</think><answer>C</answer>")
    found = await judged_row(question("C"), silent, judge)
    assert (found.same, found.think_right, found.by) == (True, True, "judge")
    for response in ("<think>The answer is B.</think><answer>C</answer>", "<answer>C</answer>",
                     "<think> </think><answer>C</answer>"):  # fmt: skip
        await judged_row(question("C"), parse_response(response), judge)
    assert judge.calls == 1
    failed = await judged_row(question("C"), silent, Concluding(Judged(None, "timeout")))
    assert (failed.same, failed.answer_right, failed.problem) == (None, True, "timeout")
    assert tac_report([failed]).counts["judge_timeout"] == 1


def test_vas_of_judge_scores() -> None:
    scores = [Judged(value) for value in (8, 0, 7, 10, 3, 6)]
    assert vas_report(scores).vas.value == pytest.approx(56.67, abs=0.01)
    failed = vas_report([*scores, Judged[int](None, "timeout")])
    assert failed.vas.value == vas_report(scores).vas.value
    assert failed.counts == {"n": 7, "scored": 6, "missing_timeout": 1}
    assert vas_report([]).vas.value is None
    assert macro_vas({"a": scores, "b": [Judged(0)]}).value == pytest.approx(28.333, abs=1e-3)


async def test_missing_reasoning_is_zero_without_a_call() -> None:
    judge = Concluding(Judged("C"))
    assert (await claimed_grounding("p", None, judge)).value == 0
    assert (await claimed_grounding("p", " ", judge)).value == 0
    assert judge.calls == 0
    assert (await claimed_grounding("p", "a man runs", judge)).value == 7


@pytest.mark.parametrize(
    ("reply", "ours", "released"),
    [
        ('{"score": 7, "rationale": "x"}', 7, 7),
        ('Sure: ```json\n{"score": 0}\n```', 0, 0),
        ('{"score": 7.6}', None, 8),
        ('{"score": 12}', None, 10),
        ('{"score": "7"}', None, 7),
        ('{"score": true}', None, 1),
        ('{"rationale": "{a}", "score": 4}', 4, None),
        ('{"score": NaN}', None, None),
        ('{"score": 1e999}', None, None),
        ("seven", None, None),
        ("[7]", None, None),
        ("{" * 5000, None, None),
    ],
)
def test_reading_scores(reply: str, ours: int | None, released: int | None) -> None:
    assert read_score(reply) == ours
    assert released_score(reply) == released


def test_attention_worked_example() -> None:
    head_1 = [[0.10, 0.20, 0.10, 0.05, 0.05, 0.30, 0.20, 0, 0],
              [0.10, 0.05, 0.05, 0.05, 0.05, 0.30, 0.20, 0.20, 0]]  # fmt: skip
    head_2 = [[0.40, 0.05, 0.05, 0, 0, 0.30, 0.20, 0, 0],
              [0.30, 0.10, 0.10, 0.05, 0.05, 0.20, 0.10, 0.10, 0]]  # fmt: skip
    weights = np.array([head_1, head_2]).transpose(1, 0, 2)  # tokens, heads, keys
    found = attention_score(weights[:, :, 1:5].sum(2), weights[:, :, 0], [7, 8], 4)
    assert found.vas == pytest.approx(25.0)
    assert found.lift == pytest.approx(0.46875)
    assert found.no_sink == pytest.approx(31.5476, abs=1e-4)
    # Printed "head means" .30 and .20 are those of each head over the tokens.
    assert found.per_token == pytest.approx([0.25, 0.25])
    per_head = weights[:, :, 1:5].sum(2).mean(0)
    assert per_head == pytest.approx([0.30, 0.20])


def test_attention_without_video_or_tokens() -> None:
    text_only = attention_score([[0.0, 0.0]], [[0.5, 0.2]], [5], 0)
    assert (text_only.vas, text_only.lift, text_only.no_sink) == (0.0, None, 0.0)
    assert attention_score(np.zeros((0, 2)), np.zeros((0, 2)), [], 4).vas is None
    all_sink = attention_score([[0.0]], [[1.0]], [5], 4)
    assert (all_sink.no_sink, all_sink.n_all_sink) == (None, 1)
    # Through a sliding window the first token sees no video any more, the second half of it.
    sliding = attention_score([[0.0], [0.5]], [[0.1], [0.1]], [4, 4], [0, 2])
    assert (sliding.vas, sliding.lift) == (25.0, 1.0)
    with pytest.raises(ValueError, match="shapes"):
        attention_score([[0.1]], [[0.1]], [3], [1, 1])
    full = attention_score([[1.0]], [[0.0]], [4], 4)
    assert full.vas == 100.0
    with pytest.raises(ValueError, match="shapes"):
        attention_score([[0.1]], [[0.1, 0.2]], [3], 1)
    with pytest.raises(ValueError, match="outside"):
        attention_score([[0.9]], [[0.9]], [3], 1)
    with pytest.raises(ValueError, match="outside"):
        attention_score([[float("nan")]], [[0.1]], [3], 1)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([82.4, 86.6, 88.3, 86.1, 85.1, 63.7, 84.6, 90.2, 78.4, 75.1, 77.3], 81.62),
        ([76.5, 80.1, 86.1, 78.7, 73.2, 39.6, 49.1, 72.5, 74.2, 73.4, 60.5], 69.45),
        ([75.8] * 5 + [61.5] * 6, 68.0),
    ],
)
def test_published_averages_are_macro_means(values: list[float], mean: float) -> None:
    parts = {str(i): [(value, 1.0)] for i, value in enumerate(values)}
    assert macro_ratio(parts).value == pytest.approx(mean, abs=0.01)
