"""Worked examples 8.4 (accuracy), 8.5, the training half of 8.7, gates, and gaming metrics."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.load import load_config
from ffr.config.repair import AdvantageConfig
from ffr.config.rewards import RewardConfig
from ffr.config.rler import EvidenceConfig
from ffr.data.question import AnswerType, Question
from rewards.accuracy import accuracy
from rewards.advantage import group_advantages
from rewards.components.gates import GateValues, apply_gates
from rewards.rir import AttemptScore, attempt_terms
from rewards.rler import (
    CitationScale,
    EvidenceTerms,
    GradedCompletion,
    evidence_terms,
    frame_sensitive_score,
    gaming_metrics,
    gaming_warnings,
    read_response,
    transparency,
)

PAPER = load_config([Path(__file__).parents[3] / "configs" / "rler_7b_lora.yaml"]).reward


def rler_reward(a: float, f: float, t: EvidenceTerms, config: RewardConfig = PAPER) -> float:
    """What the preset gives an answer of accuracy ``a`` and format ``f`` with these measures."""
    gates = GateValues(a, a == 1.0, f)
    values = {
        "frame_sensitive": t.frame_sensitive, "think_transparency": t.transparency,
        "anti_repetition": -t.repetition,
    }
    gated = {e.name: apply_gates(values[e.name], e.gates, gates) for e in config.components}
    return attempt_terms(AttemptScore(a, f, a == 1.0, components=gated), config, "first").total


def changed(name: str, **values: Any) -> RewardConfig:
    """The preset with another entry of one component."""
    entries = tuple(
        e.model_copy(update=values) if e.name == name else e for e in PAPER.components
    )
    return PAPER.model_copy(update={"components": entries})


def terms(valid: int, invalid: int, length: int, rho: float) -> EvidenceTerms:
    return EvidenceTerms(
        frame_sensitive_score(valid, invalid), transparency(length), rho, length
    )


GROUP = [
    (1.0, 1.0, terms(3, 0, 384, 0.05), 0.635),
    (1.0, 1.0, terms(1, 1, 192, 0.10), 0.320),
    (0.0, 1.0, terms(2, 0, 384, 0.0), 0.400),
    (0.0, 0.0, terms(0, 0, 0, 0.0), 0.0),
]


def test_one_group() -> None:
    rewards = [rler_reward(a, f, t) for a, f, t, _ in GROUP]
    assert rewards == pytest.approx([r for *_, r in GROUP], abs=1e-6)
    assert statistics.fmean(rewards) == pytest.approx(0.338750, abs=1e-6)
    assert statistics.stdev(rewards) == pytest.approx(0.262437, abs=1e-6)
    advantages = group_advantages(rewards, ["q"] * 4, AdvantageConfig())
    assert advantages == pytest.approx([1.128415, -0.071419, 0.233301, -1.290297], abs=1e-6)
    assert group_advantages([rewards[0]] * 4, ["q"] * 4, AdvantageConfig()) == [0.0] * 4


def test_the_gate_of_transparency_puts_right_before_well_shaped() -> None:
    gated = changed("think_transparency", gates=("accuracy",))
    rewards = [rler_reward(a, f, t, gated) for a, f, t, _ in GROUP]
    assert rewards == pytest.approx([0.635, 0.320, 0.1, 0.0], abs=1e-6)


def test_the_gate_of_frame_sensitivity() -> None:
    cited = terms(3, 0, 384, 0.0)
    alone = changed("frame_sensitive", weight=0.0)

    def earned(a: float, f: float, config: RewardConfig) -> float:
        return rler_reward(a, f, cited, config) - rler_reward(a, f, cited, alone)

    assert earned(0.5, 1.0, PAPER) == pytest.approx(0.075)
    indicator = changed("frame_sensitive", gates=("right", "format"))
    assert earned(1.0, 1.0, indicator) == pytest.approx(0.15)
    assert earned(0.99, 1.0, indicator) == 0.0
    assert earned(1.0, 0.0, indicator) == 0.0


WEIGHTS = {
    "accuracy": lambda a, f, t: 0.1 * a,
    "format": lambda a, f, t: 0.1 * f,
    "frame_sensitive": lambda a, f, t: 0.2 * a * f * t.frame_sensitive,
    "think_transparency": lambda a, f, t: 0.3 * t.transparency,
    "anti_repetition": lambda a, f, t: -0.3 * t.repetition,
}
unit = st.floats(0, 1)


@given(
    a=unit, f=st.sampled_from([0.0, 1.0]), valid=st.integers(0, 16), invalid=st.integers(0, 5),
    length=st.integers(0, 900), rho=st.floats(0, 0.99), name=st.sampled_from(sorted(WEIGHTS)),
)  # fmt: skip
def test_a_weight_of_zero_takes_out_exactly_its_term(a, f, valid, invalid, length, rho, name):
    found = terms(valid, invalid, length, rho)
    full = rler_reward(a, f, found)
    if name in ("accuracy", "format"):
        config = PAPER.model_copy(update={f"{name}_weight": 0.0})
    else:
        config = changed(name, weight=0.0)
    without = rler_reward(a, f, found, config)
    assert full - without == pytest.approx(WEIGHTS[name](a, f, found), abs=1e-9)
    assert -0.3 < full < 0.7


def test_every_frame_cited_is_the_most_there_is() -> None:
    best = rler_reward(1.0, 1.0, terms(16, 0, 384, 0.0))
    assert best == pytest.approx(0.6882, abs=5e-5)


def question(kind: AnswerType, answer: str) -> Question:
    return Question(id="q", video="v.mp4", question="?", answer_type=kind, answer=answer)


@pytest.mark.parametrize(
    ("kind", "gold", "said", "score"),
    [
        ("regression", "10", "9", 0.9),
        ("regression", "10", "25", 0.0),
        ("ocr", "hello world", "hello word", 0.5),
        ("number", "3.14", "3.140", 1.0),
        ("number", "3", "3.0", 0.0),
    ],
)
def test_accuracy_of_the_papers_question_types(kind, gold, said, score) -> None:
    assert accuracy(said, question(kind, gold), "parity") == pytest.approx(score, abs=1e-6)


TEXTS = [
    "<think>In frame 4 the chair stands left of the sofa. Frame 9 confirms the same layout and "
    "frame 15 shows it again.</think> <answer>A</answer> <keyframes>4, 9, 15</keyframes> "
    "<confidence>0.6</confidence>",
    "<think>Frame 4 shows the chair beside the sofa on the left. Frame 9 agrees.</think> "
    "<answer>(A) left</answer> <keyframes>frame 4, frame 9</keyframes> "
    "<confidence>50%</confidence>",
    "<think>It is right. It is right. It is right.</think> <answer>B</answer> "
    "<keyframes>2, 20, 40</keyframes>",
    "<think>Let me look at frame 1 and",
]


@pytest.mark.parametrize("mode", ["default", "parity"])
def test_rewards_from_raw_text(mode) -> None:
    evidence = EvidenceConfig(mode=mode, length_unit="words", length_high=40)
    asked = Question(
        id="q", video="v.mp4", question="Where?", options=("left", "right"), answer_type="choice",
        answer="A",
    )  # fmt: skip
    rewards = []
    for text in TEXTS:
        reading = read_response(text, CitationScale(32), evidence)
        worth = accuracy(reading.answer, asked)
        found = evidence_terms(reading, evidence)
        rewards.append(rler_reward(worth, reading.format, found))
    assert rewards == pytest.approx([0.642658, 0.571501, 0.055106, 0.0], abs=1e-6)
    advantages = group_advantages(rewards, ["q"] * 4, AdvantageConfig())
    assert advantages == pytest.approx([0.966263, 0.754926, -0.778762, -0.942427], abs=1e-6)


def test_lengths_in_tokens_need_a_tokenizer() -> None:
    reading = read_response(TEXTS[0], CitationScale(32), EvidenceConfig())
    with pytest.raises(ValueError, match="count_tokens"):
        evidence_terms(reading, EvidenceConfig())
    assert evidence_terms(reading, EvidenceConfig(), lambda text: 384).transparency == 1.0


def graded(group="q", right=True, reward=0.5, cited=3, tau=0.5) -> GradedCompletion:
    return GradedCompletion(group, right, reward, cited, 16, tau, 0.0)


def test_gaming_metrics_see_what_the_literal_reward_allows() -> None:
    rows = [
        GradedCompletion("q", a == 1.0, r, 16, 16, t.transparency, t.repetition)
        for a, _, t, r in GROUP
    ]
    metrics = gaming_metrics(rows)
    assert metrics["rler/cited_share/mean"] == metrics["rler/cites_all_rate"] == 1.0
    assert metrics["rler/wrong_beats_right_rate"] == 0.25  # 0.400 against 0.320
    assert metrics["rler/transparency/mean"] == pytest.approx(0.625)
    warnings = gaming_warnings(metrics)
    assert len(warnings) == 2
    assert "max_cited" in warnings[0]
    assert "gate_think_transparency" in warnings[1]


def test_length_over_correctness_compares_within_groups() -> None:
    by_length = [graded(reward=t, tau=t, right=i % 2 == 0) for i, t in enumerate((0, 0.2, 0.8, 1))]
    shape = gaming_metrics(by_length)["rler/length_over_correctness"]
    assert shape > 0.5
    assert any("length explains" in w for w in gaming_warnings(gaming_metrics(by_length)))
    by_right = [graded(reward=float(r), tau=0.5 + 0.01 * i, right=r)
                for i, r in enumerate((True, False, False, True))]  # fmt: skip
    assert gaming_metrics(by_right)["rler/length_over_correctness"] == pytest.approx(-1.0)


def test_rates_without_a_denominator_are_left_out() -> None:
    assert gaming_metrics([]) == {}
    assert gaming_warnings({}) == []
    alone = gaming_metrics([graded()])
    assert "rler/wrong_beats_right_rate" not in alone
    assert "rler/length_over_correctness" not in alone


def test_an_honest_group_raises_no_warning() -> None:
    rows = [graded(reward=0.6), graded(reward=0.55, tau=0.4), graded(right=False, reward=0.2)]
    assert gaming_warnings(gaming_metrics(rows)) == []
