"""Components of the reward by themselves: values, gates, what is missing and why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ffr.config.rewards import RewardConfig
from ffr.data.question import Question
from ffr.errors import UserError
from rewards.components import GroupContext, RolloutContext, reward_component
from rewards.components.scorer import ComponentScorer, ComponentScores
from rewards.video_r2.encoders import LexicalEncoder
from student.parse import parse_response
from student.time_axis import TimeAxis

AXIS = TimeAxis(tuple(0.5 + i for i in range(8)), 8.0, 8.0)
EVENTS = (
    {"start_s": 0.2, "end_s": 1.8, "text": "blue circle"},
    {"start_s": 2.2, "end_s": 3.8, "text": "red square"},
)


def question(**changes: Any) -> Question:
    return Question.model_validate({
        "id": "q", "video": "v.mp4", "question": "What appears at 1.0 seconds?",
        "answer_type": "text", "answer": "blue circle", "events": EVENTS,
        "gold_spans": ({"start_s": 0.2, "end_s": 1.8},), **changes,
    })  # fmt: skip


def rollout(think: str, answer: str, *, accuracy: float = 1.0, **changes: Any) -> RolloutContext:
    text = f"<think>{think}</think><answer>{answer}</answer>"
    values: dict[str, Any] = {
        "question": question(), "text": text, "parsed": parse_response(text), "answer": answer,
        "accuracy": accuracy, "format": 1.0, "right": accuracy == 1.0, "tokens": 20, "axis": AXIS,
        "count_tokens": lambda t: len(t.split()), **changes,
    }
    return RolloutContext(**values)


def config(*components: dict[str, Any], **changes: Any) -> RewardConfig:
    return RewardConfig.model_validate({"components": components, **changes})


def score(config: RewardConfig, *rollouts: RolloutContext) -> list[ComponentScores]:
    return asyncio.run(ComponentScorer(config, encoder=LexicalEncoder()).score(rollouts))


GOOD = rollout("at <keyframes>1.0</keyframes> blue circle", "blue circle")
WRONG = rollout("at <keyframes>1.0</keyframes> blue circle", "red cross", accuracy=0.0)
UNSURE = rollout("Let me look. There is something. Hard to say.", "blue circle")


def test_temporal_alignment_is_the_released_and_our_own_number() -> None:
    ours = config({"name": "tar"}, tar={"tolerance_s": 0.5, "min_matches": 1, "recall_cap": 1})
    assert score(ours, GOOD)[0].values == {"tar": pytest.approx(1.0)}
    # one claim of two events: F_0.5(1, 1/2) * 1/2, worked by hand
    default = config({"name": "tar"}, tar={"tolerance_s": 0.5})
    assert score(default, GOOD)[0].values["tar"] == pytest.approx(1.25 * 0.5 / 0.75 / 2)
    # released: matched / claims
    parity = config({"name": "tar", "mode": "parity"}, tar={"tolerance_s": 0.5})
    assert score(parity, GOOD)[0].values["tar"] == pytest.approx(1.0)


def test_consistency_gate_takes_an_inconsistent_rollout_and_leaves_an_unknown_one_out() -> None:
    gated = config({"name": "tar", "gates": ["consistency"]}, tar={"min_matches": 1})
    good, wrong, unsure = score(gated, GOOD, WRONG, UNSURE)
    assert good.values["tar"] > 0
    assert good.consistent is not None
    assert good.consistent.value == 1.0
    assert wrong.values["tar"] == 0.0
    assert unsure.values["tar"] is None
    assert unsure.problems == {"tar": "gate_no_conclusion"}


def test_inconsistency_takes_back_accuracy_and_nothing_where_rules_are_silent() -> None:
    lucky = rollout("at <keyframes>1.0</keyframes> red cross", "blue circle", accuracy=0.75)
    found = score(config({"name": "inconsistency"}), GOOD, lucky, UNSURE)
    assert [scores.values["inconsistency"] for scores in found] == [0.0, -0.75, 0.0]


def test_no_reference_events_means_missing_and_never_zero() -> None:
    bare = rollout("at 1.0 s a blue circle", "blue circle", question=question(events=()))
    (found,) = score(config({"name": "tar"}), bare)
    assert found.values == {"tar": None}
    assert found.problems == {"tar": "no_references"}


def test_evidence_components_are_those_of_the_specification() -> None:
    entries = [
        {"name": "frame_sensitive", "gates": ["accuracy", "format"]},
        {"name": "think_transparency"}, {"name": "anti_repetition"},
    ]
    evidence = {"citation": "times", "length_unit": "words", "length_high": 8}
    found = score(config(*entries, evidence=evidence), GOOD, WRONG)
    # one cited unit: (1 - 0) / (1 + 1); four words of [0, 8]: the middle, so 1; nothing repeats
    assert found[0].values == {
        "frame_sensitive": 0.5, "think_transparency": pytest.approx(1.0), "anti_repetition": 0.0
    }
    assert found[1].values["frame_sensitive"] == 0.0
    reading = found[0].evidence
    assert reading is not None
    assert (reading.cited, reading.units, reading.precision) == (1, 4, 1.0)


def test_citations_off_the_gold_span_lower_the_precision() -> None:
    both = rollout("at <keyframes>1.0, 7.0</keyframes> blue circle", "blue circle")
    (found,) = score(config({"name": "frame_sensitive"}), both)
    assert found.evidence is not None
    assert found.evidence.precision == 0.5


@pytest.mark.parametrize(
    ("ordered", "shuffled", "granted"),
    [((1.0, 0.0), (0.0,), 1.0), ((1.0, 0.0), (1.0,), 0.0), ((1.0, 0.0), (), None)],
)
def test_temporal_contrast_compares_the_groups(
    ordered: tuple[float, ...], shuffled: tuple[float, ...], granted: float | None
) -> None:
    group = GroupContext(ordered, shuffled)
    right, wrong = (
        rollout("it is", answer, accuracy=worth, group=group)
        for answer, worth in (("blue circle", 1.0), ("cross", 0.0))
    )
    first, second = score(config({"name": "temporal_contrast"}), right, wrong)
    assert first.values["temporal_contrast"] == granted
    assert second.values["temporal_contrast"] == (None if granted is None else 0.0)


def test_length_bonus_needs_a_right_answer_within_the_bounds() -> None:
    group = GroupContext((1.0, 0.0))
    bounds = {"length_low": 10, "length_high": 30}
    rollouts = [
        rollout("x", "blue circle", group=group, tokens=30),
        rollout("x", "blue circle", group=group, tokens=31),
        rollout("x", "cross", accuracy=0.0, group=group, tokens=30),
    ]
    found = score(config({"name": "length_bonus"}, tgrpo=bounds), *rollouts)
    assert [scores.values["length_bonus"] for scores in found] == [1.0, 0.0, 0.0]


FILE = '''
from rewards.components import RolloutContext, reward_component

@reward_component
def short_answer(rollout: RolloutContext) -> float:
    """1 for an answer of at most two words."""
    return float(len((rollout.answer or "").split()) <= 2)

@reward_component(name="asks_somebody")
async def slow(rollout: RolloutContext) -> float | None:
    return None

@reward_component
def breaks(rollout: RolloutContext) -> float:
    return 1 / 0

@reward_component
def endless(rollout: RolloutContext) -> float:
    return float("inf")
'''


def test_components_of_ones_own_and_what_they_may_do_wrong(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    names = ("short_answer", "asks_somebody", "breaks", "endless")
    own = config(*({"name": name} for name in names), files=[str(file)])
    (found,) = score(own, GOOD)
    assert found.values == {
        "short_answer": 1.0, "asks_somebody": None, "breaks": None, "endless": None
    }
    assert found.problems == {
        "asks_somebody": "not_available", "breaks": "raised_ZeroDivisionError",
        "endless": "not_finite",
    }


def test_a_component_that_returns_a_text_ends_the_run() -> None:
    wrong = reward_component(name="texts")(lambda rollout: "good")  # type: ignore[arg-type, return-value]
    with pytest.raises(UserError, match="'texts' returned str; return a float"):
        asyncio.run(wrong.value(GOOD))


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1\n", "defines no component"), ("1 / 0\n", "does not load: ZeroDivisionError"),
     (FILE.replace("def short_answer", "def tar"), "two reward components are called 'tar': one "
      "built in")],
)  # fmt: skip
def test_files_that_do_not_do(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        ComponentScorer(config({"name": "short_answer"}, files=[str(file)]))


def test_unknown_names_and_files_are_told_with_what_there_is() -> None:
    with pytest.raises(UserError, match=r"no component 'tarr'; known: .*length_bonus.*tar"):
        ComponentScorer(config({"name": "tarr"}))
    with pytest.raises(UserError, match=r"'nowhere\.py' is not a Python file"):
        ComponentScorer(config({"name": "tar"}, files=["nowhere.py"]))
    with pytest.raises(UserError, match="give it an encoder"):
        ComponentScorer(config({"name": "tar"}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"name": "tar"}, {"name": "tar"}], "more than once"),
        ([{"name": "accuracy"}], "terms of the base reward"),
        ([{"name": "tar", "gates": ["luck"]}], "luck"),
        ([{"name": "tar", "weight": float("nan")}], "weight"),
        ([{"name": "inconsistency", "mode": "parity"}], "needs a judge"),
    ],
)
def test_configurations_that_mean_nothing(entries: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardConfig.model_validate({"components": entries})
