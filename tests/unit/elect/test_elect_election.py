"""Worked example 8.7, the properties of 8.14, and every switch, on whole elections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffr.config.elect import (
    BudgetConfig,
    ElectConfig,
    OutlierConfig,
    RefereeConfig,
    ViewsConfig,
    VoteConfig,
)  # fmt: skip
from ffr.config.rler import EvidenceConfig
from ffr.elect.answers import AnswerReader
from ffr.elect.candidate import (
    Candidate,
    CandidateReader,
    InvalidVote,
    RawCandidate,
    evidence_score,
)  # fmt: skip
from ffr.elect.election import Election, hold_election
from ffr.elect.outliers import drop_outliers
from ffr.elect.referee import Claim, referee_factor
from ffr.elect.views import View
from ffr.elect.vote import count_votes
from rewards.rler import CitationScale, evidence_terms, read_response

TEXTS = [
    "<think>In frame 4 the chair stands left of the sofa. Frame 9 confirms the same layout and "
    "frame 15 shows it again.</think> <answer>A</answer> <keyframes>4, 9, 15</keyframes> "
    "<confidence>0.6</confidence>",
    "<think>Frame 4 shows the chair beside the sofa on the left. Frame 9 agrees.</think> "
    "<answer>(A) left</answer> <keyframes>frame 4, frame 9</keyframes> "
    "<confidence>50%</confidence>",
    "<think>It is right. It is right. It is right.</think> <answer>B</answer> "
    "<keyframes>2, 20, 40</keyframes>",
]
WORDS = EvidenceConfig(length_unit="words", length_high=40)
RULE = ElectConfig(referee=RefereeConfig(by="rule"))


def near(value):
    return pytest.approx(value, abs=1e-6)


def said(answer: str, cited: str = "3", confidence: float = 0.6) -> str:
    return (
        f"<think>frame {cited} shows it quite clearly I would say</think><answer>{answer}</answer>"
        f"<keyframes>{cited}</keyframes><confidence>{confidence}</confidence>"
    )


def test_a_full_election_from_raw_text(poll, elect) -> None:
    election = elect(poll(TEXTS), RULE)
    votes = [p.vote for p in election.polled]
    columns = {
        "frame_sensitive": [0.75, 0.666667, 0.333333],
        "transparency": [0.975528, 0.793893, 0.421783],
        "repetition": [0.0, 0.0, 0.571429],
        "confidence": [0.6, 0.5, 0.5],
        "score": [0.831382, 0.740140, 0.420922],
    }
    for name, wanted in columns.items():
        assert [getattr(v, name) for v in votes] == near(wanted), name
    assert [v.key for v in votes] == ["A", "A", "B"]
    assert [v.cited for v in votes] == [{4, 9, 15}, {4, 9}, {2, 20}]
    assert [v.confidence_from for v in votes] == ["said", "said", "default"]
    tally = election.tally
    assert tally.agreement == near({1: 0.666667, 2: 0.666667, 3: 0.0})
    assert tally.weights == near({1: 1.108509, 2: 0.986853, 3: 0.420922})
    assert tally.votes == near({"A": 2.095363, "B": 0.420922})
    assert tally.shares == near({"A": 0.832721, "B": 0.167279})
    assert (tally.margin, tally.confidence) == (near(0.665442), near(0.533333))
    assert (election.generated, election.stopped_early) == (3, True)
    assert election.referee.r == near(0.708333)
    assert (election.answer, election.referee.overturned) == ("A", False)


def test_the_scorer_and_the_reward_read_the_same(poll, elect) -> None:
    source = poll(TEXTS)
    election = elect(source, RULE)
    for text, polled in zip(TEXTS, election.polled, strict=True):
        reading = read_response(text, CitationScale(32), source.reader.config)
        terms = evidence_terms(reading, source.reader.config)
        vote = polled.vote
        assert vote.frame_sensitive == terms.frame_sensitive
        assert vote.transparency == terms.transparency
        assert vote.repetition == terms.repetition


def test_one_batch_first_then_one_at_a_time(poll, elect) -> None:
    source = poll([said(x) for x in "ABCABCAB"])
    election = elect(source)
    assert election.generated == len(source.views) == 4  # 1-1-1, then A leads 2-1-1
    assert [v.number for v in source.views] == [1, 2, 3, 4]
    assert source.batches == [3, 1]
    assert election.answer == "A"


def test_unanimous_but_unsure_uses_the_whole_budget(poll, elect) -> None:
    election = elect(poll([said("A", confidence=0.3)] * 8))
    assert (election.generated, election.stopped_early) == (8, False)
    assert election.tally.margin == 1.0
    assert election.tally.confidence == near(0.3)


def test_all_invalid_is_no_answer_with_the_raw_texts(poll, elect) -> None:
    texts = ["I cannot tell", "<think>x</think>", said("Z"), "", said("A")[:40], "B", "C", "D"]
    source = poll(texts)
    election = elect(source)
    assert (election.status, election.answer, election.tally) == ("no_answer", None, None)
    assert election.generated == 8
    assert [p.raw.text for p in election.polled] == texts
    assert [p.vote.reason for p in election.polled][:3] == [
        "no_answer", "no_answer", "unreadable_answer",
    ]  # fmt: skip
    assert source.claims == []


def test_all_calls_failed_is_told_apart(poll, elect) -> None:
    election = elect(poll([RawCandidate("", error="timeout")] * 8))
    assert (election.status, election.answer) == ("failed", None)
    assert {p.vote.detail for p in election.polled} == {"timeout"}


def test_failed_and_truncated_candidates_count_in_the_budget_but_have_no_vote(poll, elect) -> None:
    failed = RawCandidate("", error="status 500")
    cut = RawCandidate(said("B"), truncated=True)
    election = elect(poll([failed, said("A"), cut, said("A"), said("A"), *["x"] * 3]))
    assert (election.answer, election.generated) == ("A", 5)
    reasons = [p.vote.reason for p in election.polled if isinstance(p.vote, InvalidVote)]
    assert reasons == ["failed", "truncated"]
    assert election.tally.votes.keys() == {"A"}


def test_one_valid_candidate_never_stops_early(poll, elect) -> None:
    config = ElectConfig(budget=BudgetConfig(first=1))
    election = elect(poll([said("A"), "x", "x", "x", "x", "x", "x", "x"]), config)
    assert (election.answer, election.generated) == ("A", 8)


@pytest.mark.parametrize(
    ("verdict", "answer", "overturned", "readable"),
    [
        ("<score>0.9</score>", "A", False, True),
        ("<score>0.3</score>", "A", False, True),
        ("<sufficient>no</sufficient><score>0</score>", "B", True, True),
        ("hm", "A", False, False),
    ],
)
def test_the_referee_is_asked_once(poll, elect, verdict, answer, overturned, readable) -> None:
    source = poll(
        [said("A", "4, 5"), said("A", "20, 21"), said("B", "9, 10, 11", 0.9)], verdict=verdict
    )
    election = elect(source)
    assert len(source.claims) == 1
    assert source.claims[0].rival == "B"
    assert (election.answer, election.referee.overturned) == (answer, overturned)
    assert election.referee.readable is readable
    assert election.referee.first_winner == "A"


def test_a_failed_referee_changes_nothing(poll, elect) -> None:
    class Broken(type(poll([]))):
        async def check(self, claim):
            return RawCandidate("", error="timeout")

    source = poll([said("A"), said("A"), said("B")])
    broken = Broken(source.reader, source.responses)
    election = elect(broken)
    assert (election.answer, election.referee.factor, election.referee.readable) == ("A", 1, False)


def switched(**sections: object) -> ElectConfig:
    return ElectConfig(**sections)


def test_every_step_can_be_switched_off(poll, elect) -> None:
    texts = [said("A", "4"), said("B", "9"), said("B", "9"), *[said("A", "5")] * 5]
    full = poll(texts)
    assert elect(full).generated == 3
    off = poll(texts)
    assert elect(off, switched(referee=RefereeConfig(when="off"))).referee is None
    assert off.claims == []
    contested = switched(referee=RefereeConfig(when="contested"))
    assert elect(poll([said("A")] * 8), contested).referee is None
    assert elect(poll(texts), contested).referee is not None
    assert elect(poll(texts), switched(budget=BudgetConfig(early_stop=False))).generated == 8
    assert elect(poll(texts), switched(views=ViewsConfig(diverse=False))).generated == 1
    single = poll(texts)
    election = elect(single, switched(mode="single"))
    assert (election.answer, election.generated, election.referee) == ("A", 1, None)
    assert single.views[0].temperature == 0.0
    stray = (
        "<think>so</think><answer>B</answer><keyframes>40, 41</keyframes>"
        "<confidence>0</confidence>"
    )
    weak = [*[said("A", "4")] * 3, stray, *[said("A")] * 4]
    at_once = BudgetConfig(early_stop=False)
    assert elect(poll(weak), switched(budget=at_once)).dropped == (4,)
    kept = elect(poll(weak), switched(budget=at_once, outliers=OutlierConfig(enabled=False)))
    assert kept.dropped == ()
    alone = elect(poll(texts), switched(vote=VoteConfig(agreement=0.0)))
    assert alone.tally.weights[2] == alone.polled[1].vote.score


def test_numbers_elect_a_value_that_was_said(poll, elect) -> None:
    texts = [said(x) for x in ("10", "10.2", "14", "about ten", "9.9", "10", "10", "10")]
    election = elect(poll(texts, kind="regression", options=()))
    assert election.answer in ("10", "10.2")
    count = elect(poll([said("5"), said("5.0"), said("6")] * 3, kind="number", options=()))
    assert count.tally.votes.keys() == {"5.0", "6.0"}
    assert count.answer == "5"


answers = st.lists(
    st.tuples(
        st.sampled_from("ABC"), st.sets(st.integers(1, 12), max_size=4), st.floats(0, 1),
        st.floats(0, 1), st.integers(0, 3),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


def cast_of(rows) -> list[Candidate]:
    cast = []
    for number, (key, cited, tau, c, invalid) in enumerate(rows, start=1):
        s_fs = max(0.0, (len(cited) - invalid) / (1 + len(cited)))
        score = evidence_score(s_fs, tau, 0.0, c)
        cast.append(Candidate(number, key, key, frozenset(cited), score, c, s_fs, tau))
    return cast


@given(rows=answers, order=st.randoms(use_true_random=False), side=st.sampled_from(["low", "both"]))
def test_the_order_of_candidates_does_not_matter(rows, order, side) -> None:
    cast = cast_of(rows)
    shuffled = order.sample(cast, len(cast))
    kept = drop_outliers(cast, OutlierConfig(side=side))
    again = drop_outliers(shuffled, OutlierConfig(side=side))
    assert {c.number for c in kept} == {c.number for c in again}
    first = count_votes(kept, VoteConfig(), BudgetConfig())
    second = count_votes(again, VoteConfig(), BudgetConfig())
    assert (first.order, first.votes, first.margin, first.confidence) == (
        second.order, second.votes, second.margin, second.confidence,
    )  # fmt: skip


@given(rows=answers, more=st.floats(0, 1), cited=st.sets(st.integers(1, 12), max_size=4))
def test_another_supporter_without_citations_never_hurts_with_head_counts(rows, more, cited):
    cast = cast_of(rows)
    uniform = VoteConfig(weights="uniform")
    winner = count_votes(cast, uniform, BudgetConfig()).winner
    joined = [*cast, Candidate(len(cast) + 1, winner, winner, frozenset(cited), more, 0.5)]
    assert count_votes(joined, uniform, BudgetConfig()).winner == winner


@given(rows=answers, gain=st.floats(0, 1))
def test_a_better_score_of_a_supporter_never_costs_the_win(rows, gain) -> None:
    cast = cast_of(rows)
    winner = count_votes(cast, VoteConfig(), BudgetConfig()).winner
    index = next(i for i, c in enumerate(cast) if c.key == winner)
    better = Candidate(
        cast[index].number, winner, winner, cast[index].cited, cast[index].score + gain, 0.5
    )
    raised = [*cast[:index], better, *cast[index + 1 :]]
    assert count_votes(raised, VoteConfig(), BudgetConfig()).winner == winner


@given(rows=answers, r=st.floats(0, 1))
def test_shares_add_up_and_the_referee_never_strengthens_the_winner(rows, r) -> None:
    cast = cast_of(rows)
    tally = count_votes(cast, VoteConfig(), BudgetConfig())
    if sum(tally.votes.values()) > 0:
        assert sum(tally.shares.values()) == pytest.approx(1.0)
    assert 0.0 <= tally.margin <= 1.0
    factor = referee_factor(r, RefereeConfig())
    assert 0.5 <= factor <= 1.0
    again = count_votes(cast, VoteConfig(), BudgetConfig(), {tally.winner: factor})
    assert again.votes[tally.winner] <= tally.votes[tally.winner] + 1e-12


invalid = st.sampled_from(["x", "<think>x</think>", said("Z")])


@given(
    letters=st.lists(st.sampled_from("ABC"), min_size=3, max_size=6),
    where=st.integers(0, 3), what=invalid,
)  # fmt: skip
def test_an_invalid_candidate_costs_budget_and_nothing_else(letters, where, what) -> None:
    """The ruling's form of the property: only valid candidates count towards the first test."""
    reader = CandidateReader(AnswerReader("choice", ("l", "m", "r")), CitationScale(32), WORDS)
    texts = [said(letter) for letter in letters]
    place = min(where, len(texts))
    plain = run_recorded(reader, texts)
    noisy = run_recorded(reader, [*texts[:place], what, *texts[place:]])
    assert noisy.answer == plain.answer
    assert noisy.generated - plain.generated in (0, 1)
    assert noisy.tally.votes == pytest.approx(plain.tally.votes)


def run_recorded(reader: CandidateReader, texts: list[str]) -> Election:
    class Recorded:
        def __init__(self) -> None:
            self.reader = reader

        async def candidates(self, views: Sequence[View]) -> list[RawCandidate]:
            return [RawCandidate(texts[view.number - 1]) for view in views]

        async def check(self, claim: Claim) -> RawCandidate:
            return RawCandidate("<score>1</score>")

    config = ElectConfig(budget=BudgetConfig(first=3, most=len(texts)))
    return asyncio.run(hold_election(Recorded(), config))
