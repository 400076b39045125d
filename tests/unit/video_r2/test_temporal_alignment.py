"""TAR: spec video_r2 §10.3, §12.4 (6) and (7), errata ruling 9."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.video_r2 import TarConfig
from rewards.video_r2.encoders import LexicalEncoder
from rewards.video_r2.events import (
    Claims,
    References,
    TimedEvent,
    claims_from_judge,
    claims_from_text,
    keyed_claims,
    read_references,
)
from rewards.video_r2.matching import maximum_matching
from rewards.video_r2.tar import coarse_sampling, default_tar, released_tar, tar_value

PARITY = TarConfig(mode="parity")
DEFAULT = TarConfig()
GOLD = {"00:10": "g0", "00:30-00:35": "g1", "01:00": "g2"}


class Table:
    """An encoder whose cosines are the worked examples' own."""

    name = "table"
    threshold = 0.75

    def __init__(self, cosines: Mapping[tuple[str, str], float]) -> None:
        self._cosines = cosines

    def cosines(self, left: Sequence[str], right: Sequence[str]) -> list[list[float]]:
        return [
            [self._cosines.get((a, b), self._cosines.get((b, a), 0.0)) for b in right] for a in left
        ]


def released(predictions: list[tuple[str, str, float]], gold: Mapping[str, str] = GOLD) -> float:
    """Predictions as (key, target, cosine to it)."""
    table = {(f"p{i}", target): cos for i, (_, target, cos) in enumerate(predictions)}
    predicted = {key: f"p{i}" for i, (key, _, _) in enumerate(predictions)}
    value = released_tar(predicted, gold, Table(table), PARITY).value
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("predictions", "value"),
    [
        ([("00:12", "g0", 0.8), ("00:36", "g1", 0.9), ("01:30", "g2", 0.99)], 2 / 3),  # T1
        ([("00:14", "g0", 0.8)], 1.0),  # T2
        ([("00:15", "g0", 0.8)], 0.0),
        ([("00:10", "g0", 0.75)], 1.0),  # T3
        ([("00:10", "g0", 0.7499)], 0.0),
        ([("00:10", "g0", 0.9)], 1.0),  # T4
        ([], 0.0),  # T6
        ([("00:20-00:28", "g1", 0.8)], 1.0),  # T7
        ([("00:20-00:25", "g1", 0.8)], 0.0),
    ],
)
def test_released_examples(predictions: list[tuple[str, str, float]], value: float) -> None:
    assert released(predictions) == pytest.approx(value, abs=1e-4)


def test_released_greedy_order_t5() -> None:
    assert released([("00:10", "g0", 0.9), ("00:11", "g0", 0.95)], {"00:10": "g0"}) == 0.5


def test_greedy_against_maximum_t8() -> None:
    table = Table(
        {("p0", "g0"): 0.80, ("p0", "g1"): 0.85, ("p1", "g0"): 0.10, ("p1", "g1"): 0.90}
    )
    predicted, gold = {"00:10": "p0", "00:11": "p1"}, {"00:10": "g0", "00:11": "g1"}
    assert released_tar(predicted, gold, table, PARITY).value == 0.5
    ours = default_tar(
        Claims((TimedEvent(10, 10, "p0"), TimedEvent(11, 11, "p1"))),
        read_references(gold), duration_s=60.0, encoder=table, config=DEFAULT,
    )  # fmt: skip
    assert (ours.matched, ours.value) == (2, 1.0)


@pytest.mark.parametrize(
    ("predicted", "problem"),
    [(["00:10"], "TypeError"), ({"inf": "p0"}, "OverflowError"), ({"00:10": 3}, "TypeError"),
     (None, "TypeError"), ("no JSON", "JSONDecodeError"), ({"00:10": ""}, ""), ({"nan": "x"}, "")],
)  # fmt: skip
def test_released_failures_score_zero_and_are_named(predicted: object, problem: str) -> None:
    score = released_tar(predicted, GOLD, Table({}), PARITY)
    assert (score.value, score.problem) == (0.0, problem)


@pytest.mark.parametrize(
    ("counts", "values"),
    [((2, 3, 3), (0.6667, 0.6667, 0.6667)), ((1, 1, 3), (1.0, 0.3333, 0.5)),
     ((3, 6, 3), (0.5, 1.0, 0.6667))],
)  # fmt: skip
def test_precision_recall_f1(
    counts: tuple[int, int, int], values: tuple[float, float, float]
) -> None:
    matched, claims, references = counts
    assert (matched / claims, matched / references) == pytest.approx(values[:2], abs=1e-4)
    plain = TarConfig(beta=1.0, min_matches=1, recall_cap=8)
    assert tar_value(*counts, plain) == pytest.approx(values[2], abs=1e-4)


@pytest.mark.parametrize(
    ("counts", "value"),
    [
        ((1, 1, 3), 0.3571), ((1, 2, 3), 0.2273), ((2, 2, 3), 0.9091), ((2, 3, 3), 0.6667),
        ((3, 3, 3), 1.0), ((3, 4, 3), 0.7895), ((3, 6, 3), 0.5556), ((1, 1, 1), 1.0),
        ((1, 2, 1), 0.5556), ((4, 4, 8), 1.0), ((0, 2, 3), 0.0),
    ],
)  # fmt: skip
def test_tar_star(counts: tuple[int, int, int], value: float) -> None:
    assert tar_value(*counts, DEFAULT) == pytest.approx(value, abs=1e-4)


def test_a_wrong_claim_never_raises_and_a_right_one_never_lowers_by_enumeration() -> None:
    for references in range(1, 9):
        for claims in range(9):
            for matched in range(min(claims, references) + 1):
                here = tar_value(matched, claims, references, DEFAULT)
                assert 0.0 <= here <= 1.0
                assert tar_value(matched, claims + 1, references, DEFAULT) <= here
                if matched < references:
                    assert tar_value(matched + 1, claims + 1, references, DEFAULT) >= here


def test_impossible_counts_are_refused() -> None:
    for counts in [(1, 1, 0), (2, 1, 3), (3, 3, 2), (-1, 1, 1)]:
        with pytest.raises(ValueError, match="not allowed"):
            tar_value(*counts, DEFAULT)


WORDS = st.sampled_from(["red kite", "blue car", "green door", "tall man", "small dog"])
EVENT = st.builds(
    lambda start, length, text: TimedEvent(start, start + length, text),
    st.integers(0, 60), st.integers(0, 8), WORDS,
)  # fmt: skip
EVENTS = st.lists(EVENT, min_size=1, max_size=6, unique=True)


def ours(claims: Sequence[TimedEvent], references: Sequence[TimedEvent]) -> float:
    score = default_tar(
        Claims(tuple(claims)), References(tuple(references)), duration_s=60.0,
        encoder=LexicalEncoder(), config=DEFAULT,
    )  # fmt: skip
    assert score.value is not None
    return score.value


@given(claims=EVENTS, references=EVENTS, seed=st.integers(0, 9))
def test_order_does_not_matter(
    claims: list[TimedEvent], references: list[TimedEvent], seed: int
) -> None:
    value = ours(claims, references)
    random.Random(seed).shuffle(claims)
    random.Random(seed + 1).shuffle(references)
    assert ours(claims, references) == value


@given(claims=EVENTS, references=EVENTS, start=st.integers(0, 60))
def test_a_claim_about_something_else_never_raises(
    claims: list[TimedEvent], references: list[TimedEvent], start: int
) -> None:
    wrong = TimedEvent(start, start, "purple elephant")
    assert ours([*claims, wrong], references) <= ours(claims, references)


@given(claims=EVENTS, references=EVENTS)
def test_claiming_an_unmatched_event_never_lowers(
    claims: list[TimedEvent], references: list[TimedEvent]
) -> None:
    new = TimedEvent(200, 201, "yellow balloon")
    with_event = [*references, new]
    assert ours([*claims, new], with_event) >= ours(claims, with_event)


@given(
    st.lists(st.lists(st.integers(0, 4), max_size=5, unique=True), min_size=1, max_size=5)
)
def test_maximum_matching_against_enumeration(fits: list[list[int]]) -> None:
    def best(row: int, used: frozenset[int]) -> int:
        if row == len(fits):
            return 0
        taken = [1 + best(row + 1, used | {c}) for c in fits[row] if c not in used]
        return max([best(row + 1, used), *taken])

    assert maximum_matching(fits) == best(0, frozenset())


def test_tolerance_is_one_sided_and_means_two_seconds() -> None:
    gold = [TimedEvent(10, 10, "red kite")]
    assert ours([TimedEvent(12, 12, "red kite")], gold) == 1.0
    assert ours([TimedEvent(12.01, 12.01, "red kite")], gold) == 0.0


def test_repeating_a_claim_changes_nothing() -> None:
    once = "At 0:10 a red kite rises."
    twice = f"{once} Again, at 0:10 a red kite rises."
    gold = read_references({"00:10": "a red kite rises"})
    scores = []
    for text in (once, twice.replace("Again, at", "At")):
        claims = claims_from_text(text, duration_s=60.0, tolerance_s=2.0)
        scores.append(
            default_tar(
                claims, gold, duration_s=60.0, encoder=LexicalEncoder(), config=DEFAULT
            ).value
        )
    assert claims.n_duplicates == 1
    assert scores == [1.0, 1.0]


def test_a_whole_clip_claim_matches_nothing() -> None:
    gold = References((TimedEvent(10, 10, "red kite"),))
    for end, wanted in [(30.0, 1.0), (31.0, 0.0)]:
        score = default_tar(
            Claims((TimedEvent(0, end, "red kite"),)), gold, duration_s=60.0,
            encoder=LexicalEncoder(), config=DEFAULT,
        )  # fmt: skip
        assert score.value == wanted
        assert score.n_too_long == (wanted == 0.0)


def test_without_references_there_is_no_value() -> None:
    claims = claims_from_text("At 0:10 it rains.", duration_s=60.0, tolerance_s=2.0)
    score = default_tar(
        claims, read_references(None), duration_s=60.0, encoder=LexicalEncoder(), config=DEFAULT
    )
    assert (score.value, score.missing) == (None, "no_references")


def test_references_of_both_forms() -> None:
    keyed = read_references({"00:12": "it rains", "00:20-00:25": "it pours", "soon": "x"})
    listed = read_references(
        [{"start": 12.0, "end": 12, "text": "it rains"}, {"start": 25, "end": 20.0, "text": " it  "
          "pours "}, {"start": float("nan"), "end": 1, "text": "x"}, {"start": True, "text": "x"}]
    )  # fmt: skip
    assert keyed.events == listed.events
    assert (keyed.n_unreadable, listed.n_unreadable) == (1, 2)


def test_a_judge_cannot_invent_times() -> None:
    think = "At around 0:16 she runs. From 0:20 to 0:25 she rests."
    reported = {"00:16": "she runs", "00:20-00:25": "she rests", "00:40": "she flies", "x": "y",
                "99:00": "late"}  # fmt: skip
    claims = claims_from_judge(reported, think, duration_s=60.0, tolerance_s=2.0)
    assert [(e.start_s, e.end_s) for e in claims.events] == [(16, 16), (20, 25)]
    assert claims.n_unsupported == 3


def test_rules_can_feed_the_released_reward() -> None:
    claims = claims_from_text("At 0:10.4 it rains. At 0:10 it pours.", duration_s=None,
                              tolerance_s=2.0)  # fmt: skip
    assert keyed_claims(claims) == {"00:10": "pours"}


@pytest.mark.parametrize(
    ("duration_s", "spacing"), [(62, None), (124, 4.0), (248, 8.0), (600, 19.35)]
)
def test_frames_too_sparse_for_the_tolerance(duration_s: float, spacing: float | None) -> None:
    found = coarse_sampling(32, duration_s, 2.0)
    assert (found is None) == (spacing is None)
    if spacing is not None:
        assert found == pytest.approx(spacing, abs=0.01)
