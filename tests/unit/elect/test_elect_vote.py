"""Worked examples 8.8 to 8.13, ties and clusters of 8.14, on the pure steps."""

from __future__ import annotations

import pytest

from ffr.config.elect import BudgetConfig, ElectConfig, OutlierConfig, RefereeConfig, VoteConfig
from ffr.elect.budget import enough, next_batch
from ffr.elect.clusters import cluster, weighted_lower_median
from ffr.elect.outliers import drop_outliers
from ffr.elect.referee import best_cited, claim_of, read_verdict, referee_factor, rule_score
from ffr.elect.vote import count_votes

VOTE, BUDGET, CONFIG = VoteConfig(), BudgetConfig(), ElectConfig()
TWO_SIDED = OutlierConfig(side="both")


def near(value):
    return pytest.approx(value, abs=1e-6)


def test_the_notes_illustration(vote) -> None:
    cast = [
        vote(1, "left", {4, 9, 15}, 0, 384, 0.02, 0.6),
        vote(2, "left", {4, 9}, 0, 300, 0.05, 0.5),
        vote(3, "right", {2, 20}, 0, 160, 0.12, 0.4),
    ]
    assert [c.score for c in cast] == near([0.832500, 0.750793, 0.579314])
    tally = count_votes(cast, VOTE, BUDGET)
    assert list(tally.weights.values()) == near([1.110000, 1.001057, 0.579314])
    assert tally.shares == near({"left": 0.784671, "right": 0.215329})
    assert (tally.winner, tally.margin, tally.confidence) == ("left", near(0.569343), near(0.5))
    assert enough(CONFIG, tally, 3)


def test_expansion_from_three_to_four(vote) -> None:
    cast = [
        vote(1, "A", {3, 8}, 0, 380, 0.03, 0.55),
        vote(2, "B", {10, 11, 12}, 0, 420, 0.02, 0.60),
        vote(3, "C", {1}, 0, 340, 0.05, 0.50),
    ]
    assert [c.score for c in cast] == near([0.796600, 0.827118, 0.729488])
    tally = count_votes(cast, VOTE, BUDGET)
    assert (tally.winner, tally.margin) == ("B", near(0.012969))
    assert not enough(CONFIG, tally, 3)
    assert next_batch(CONFIG, 3, 3) == 1
    cast.append(vote(4, "A", {3, 8, 9}, 0, 360, 0.04, 0.70))
    assert cast[3].score == near(0.850098)
    tally = count_votes(cast, VOTE, BUDGET)
    assert tally.votes["A"] == near(1.062133 + 1.133464)
    assert tally.shares == near({"A": 0.585149, "B": 0.220435, "C": 0.194416})
    assert (tally.winner, tally.margin, tally.confidence) == ("A", near(0.364714), near(0.5875))
    assert enough(CONFIG, tally, 4)


def test_evidence_beats_the_head_count(vote) -> None:
    cast = [
        vote(1, "A", set(), 2, 60, 0.30, 0.30),
        vote(2, "A", {31}, 1, 700, 0.25, 0.35),
        vote(3, "B", {5, 6, 7, 8}, 0, 390, 0.01, 0.90),
    ]
    assert [c.score for c in cast] == near([0.264760, 0.293850, 0.922349])
    tally = count_votes(cast, VOTE, BUDGET)
    assert tally.votes == near({"A": 0.558610, "B": 0.922349})
    assert (tally.winner, tally.margin) == ("B", near(0.245611))
    majority = count_votes(cast, VoteConfig(weights="uniform"), BUDGET)
    assert (majority.winner, majority.votes) == ("A", {"A": 2.0, "B": 1.0})
    confident = count_votes(cast, VoteConfig(weights="confidence"), BUDGET)
    assert (confident.winner, confident.votes) == ("B", near({"A": 0.65, "B": 0.9}))


def test_agreement_decides(vote) -> None:
    cast = [
        vote(1, "A", {4, 5}), vote(2, "A", {5, 6}), vote(3, "B", {9}), vote(4, "B", {9}),
    ]  # fmt: skip
    tally = count_votes(cast, VOTE, BUDGET)
    assert tally.votes == near({"A": 1.847222, "B": 2.25})
    assert tally.agreement == near({1: 1 / 3, 2: 1 / 3, 3: 1.0, 4: 1.0})
    assert (tally.winner, tally.margin) == ("B", near(0.098305))
    alone = count_votes(cast, VoteConfig(agreement=0.0), BUDGET)
    assert (alone.winner, alone.votes) == ("A", near({"A": 1.583333, "B": 1.5}))


@pytest.mark.parametrize("config", [OutlierConfig(), TWO_SIDED], ids=["low", "both"])
def test_outlier_removal(vote, config) -> None:
    cast = [
        vote(1, "A", {3, 8}, 0, 380, 0.03, 0.60),
        vote(2, "A", {3, 8, 9}, 0, 400, 0.02, 0.65),
        vote(3, "B", {3, 9}, 0, 350, 0.04, 0.60),
        vote(4, "B", {30}, 3, 30, 0.60, 0.10),
        vote(5, "A", {8}, 0, 420, 0.03, 0.55),
    ]
    assert [c.score for c in cast] == near([0.809100, 0.843931, 0.801862, 0.128746, 0.749618])
    kept = drop_outliers(cast, config)
    assert [c.number for c in kept] == [1, 2, 3, 5]
    tally = count_votes(kept, VOTE, BUDGET)
    assert tally.votes == near({"A": 3.005788, "B": 0.801862})
    assert (tally.margin, tally.confidence) == (near(0.578815), near(0.6))


def test_only_the_two_sided_rule_drops_the_one_strong_candidate(vote) -> None:
    cast = [vote(i, "A", {1}, 0, 60, 0.3, 0.2) for i in (1, 2, 3)]
    cast.append(vote(4, "B", {5, 6, 7, 8}, 0, 384, 0.0, 0.9))
    assert len(drop_outliers(cast, OutlierConfig())) == 4
    assert [c.number for c in drop_outliers(cast, TWO_SIDED)] == [1, 2, 3]
    assert len(drop_outliers(cast, OutlierConfig(side="both", enabled=False))) == 4
    assert len(drop_outliers(cast[1:], TWO_SIDED)) == 3  # too few to tell


def test_the_referee_can_overturn_only_by_taking_votes(vote) -> None:
    cast = [
        vote(1, "A", {4, 5}, 0, 384, 0.02, 0.55),
        vote(2, "A", {20, 21}, 0, 384, 0.02, 0.55),
        vote(3, "B", {9, 10, 11}, 0, 384, 0.0, 0.9),
    ]
    tally = count_votes(cast, VOTE, BUDGET)
    assert tally.votes == near({"A": 1.598333, "B": 0.912500})
    assert tally.margin == near(0.273150)
    settings = RefereeConfig()
    for r, factor, votes, winner in [
        (0.9, 1.0, 1.598333, "A"), (0.3, 0.8, 1.278667, "A"), (0.0, 0.5, 0.799167, "B"),
    ]:  # fmt: skip
        assert referee_factor(r, settings) == near(factor)
        again = count_votes(cast, VOTE, BUDGET, {"A": factor})
        assert (again.winner, again.votes["A"]) == (winner, near(votes))
    assert again.margin == near(0.066212)
    assert rule_score(tally) == near(2 / 3)


@pytest.mark.parametrize(
    ("text", "r"),
    [
        ("<sufficient>yes</sufficient><score>0.7</score>", 0.7),
        ("<sufficient>NO</sufficient>", 0.0),
        ("<sufficient> Yes </sufficient>", 1.0),
        ("<sufficient>no</sufficient><score>7</score>", 1.0),
        ("<score>-1</score>", 0.0),
        ("<score>nan</score>", None),
        ("I think so", None),
        ("", None),
    ],
)
def test_the_referees_reply(text, r) -> None:
    assert read_verdict(text) == r


def test_the_referee_looks_at_the_heaviest_cited_frames_in_time_order(vote) -> None:
    cast = [vote(1, "A", {9, 4, 30}), vote(2, "A", {4, 9}), vote(3, "B", {1})]
    tally = count_votes(cast, VOTE, BUDGET)
    cited = best_cited(tally, "A", 2)
    assert list(cited) == [4, 9]
    assert cited[4] == near(tally.weights[1] + tally.weights[2])
    claim = claim_of(tally, RefereeConfig(max_frames=3), clustered=False)
    assert (claim.units, claim.answer, claim.rival) == ((4, 9, 30), "A", "B")


def test_a_tie_goes_by_index_last(vote) -> None:
    cast = [vote(1, "A", {1}), vote(2, "B", {2})]
    tally = count_votes(cast, VOTE, BUDGET)
    assert (tally.winner, tally.margin) == ("A", 0.0)
    # more supporters, then mean agreement, then best score come first
    split = [vote(1, "A", {1}, c=0.9), vote(2, "B", {2}), vote(3, "B", {3})]
    even = VoteConfig(agreement=0.0)
    assert count_votes(split, even, BUDGET, {"A": (split[1].score * 2) / split[0].score}).winner \
        == "B"  # fmt: skip
    uniform = VoteConfig(weights="uniform")
    best = [vote(1, "A", {1}), vote(2, "B", {2, 3, 4})]
    assert count_votes(best, uniform, BUDGET).winner == "A"


def test_regression_answers_vote_in_clusters(vote) -> None:
    cast = [vote(1, "", value=10.0), vote(2, "", value=10.2), vote(3, "", value=14.0)]
    clustered = cluster(cast)
    assert [c.key for c in clustered] == ["10.0", "10.0", "14.0"]
    best = weighted_lower_median(clustered[:2], {1: 0.8, 2: 0.7})
    assert best.value == 10.0
    assert weighted_lower_median(clustered[:2], {1: 0.6, 2: 0.7}).value == 10.2
    assert [c.key for c in cluster([vote(1, "%", value=10.0), vote(2, "", value=10.0)])] == [
        "10.0%", "10.0",
    ]  # fmt: skip
    negative = cluster([vote(1, "", value=-10.0), vote(2, "", value=-10.3), vote(3, "", value=0.0)])
    assert len({c.key for c in negative}) == 2


@pytest.mark.parametrize(
    ("margin", "confidence", "stops"),
    [(0.08, 0.5, False), (0.081, 0.5, True), (0.5, 0.4, False), (0.5, 0.401, True)],
)
def test_both_bounds_are_strict(vote, margin, confidence, stops) -> None:
    shares = (1 + margin) / 2, (1 - margin) / 2
    cast = [vote(1, "A", c=confidence), vote(2, "B", c=confidence), vote(3, "B", c=confidence)]
    total = cast[0].score
    factors = {"A": shares[0] / total, "B": shares[1] / (2 * total)}
    tally = count_votes(cast, VoteConfig(agreement=0.0), BUDGET, factors)
    assert (tally.winner, tally.margin) == ("A", pytest.approx(margin, abs=1e-12))
    assert enough(CONFIG, tally, 3) is stops


def test_confidence_of_the_leader_alone(vote) -> None:
    cast = [vote(1, "A", c=0.9), vote(2, "A", c=0.7), vote(3, "B", c=0.2)]
    leader = BudgetConfig(confidence_scope="leader")
    assert count_votes(cast, VOTE, BUDGET).confidence == near(0.6)
    assert count_votes(cast, VOTE, leader).confidence == near(0.8)


@pytest.mark.parametrize(
    ("generated", "valid", "count"),
    [(0, 0, 3), (3, 3, 1), (3, 2, 1), (3, 0, 3), (6, 0, 2), (7, 7, 1), (8, 8, 0)],
)
def test_what_the_budget_draws_next(generated, valid, count) -> None:
    assert next_batch(CONFIG, generated, valid) == count


def test_a_budget_without_early_stop_is_drawn_at_once() -> None:
    config = ElectConfig(budget=BudgetConfig(early_stop=False))
    assert next_batch(config, 0, 0) == 8
    assert ElectConfig(mode="single").most_candidates == 1


def test_counting_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="no valid candidate"):
        count_votes([], VOTE, BUDGET)
