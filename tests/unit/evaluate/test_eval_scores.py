"""What items add up to: names, denominators, and failures that cannot raise a score."""

from __future__ import annotations

import json

import pytest

from ffr.data.question import Question
from ffr.elect.candidate import RawCandidate
from ffr.elect.record import CandidateRecord, ElectionRecord, VoteRecord
from ffr.errors import UserError
from ffr.evaluate.electing import best_supporter
from ffr.evaluate.make_row import make_row
from ffr.evaluate.metrics.citations import cited_hits
from ffr.evaluate.metrics.registry import (
    MetricContext,
    build_metrics,
    metric_names,
    register_metric,
)
from ffr.evaluate.protocol import load_protocol
from ffr.evaluate.reply import Reply, item_seed
from ffr.evaluate.rows import Failure
from ffr.evaluate.scores import score_rows
from ffr.evaluate.tables import render, score_table


def test_micro_and_macro_differ_as_their_names_say(row):
    rows = [row(i, right=i < 3, family="a") for i in range(4)] + [
        row(4, right=False, family="b", answer_type="number", score=0.5, mra=0.5)
    ]
    accuracy = score_rows(rows, {})["accuracy"]
    assert accuracy["micro"]["value"] == pytest.approx(3 / 5)
    assert accuracy["macro_family"]["value"] == pytest.approx((0.75 + 0.0) / 2)
    assert accuracy["macro_type"]["value"] == pytest.approx((0.75 + 0.0) / 2)
    assert {k: v["n"] for k, v in accuracy["by_family"].items()} == {"a": 4, "b": 1}
    assert {k: v["n"] for k, v in accuracy["by_type"].items()} == {"choice": 4, "number": 1}
    found = score_rows(rows, {})
    assert found["score"]["micro"]["value"] == pytest.approx(3.5 / 5)
    assert (found["mra"]["value"], found["mra"]["n"]) == (0.5, 1)


def test_a_failed_item_counts_as_wrong_and_is_counted(row):
    failed = row(2, right=None, answer=None, accuracy=None, score=None, response=None,
                 well_formed=None, failure=Failure(kind="media", detail="gone"))  # fmt: skip
    found = score_rows([row(0), row(1), failed], {})
    assert (found["items"], found["answered"], found["failed"]) == (3, 2, {"media": 1})
    assert found["accuracy"]["micro"]["value"] == pytest.approx(2 / 3)
    assert found["accuracy"]["answered_only"]["value"] == 1.0
    assert found["truncated"]["n"] == 2


def test_truncated_and_unreadable_responses_are_shares_of_the_answered(row):
    rows = [row(0), row(1, truncated=True, answer=None, right=False, well_formed=False,
                        problems=("missing_answer",))]  # fmt: skip
    found = score_rows(rows, {})
    assert found["truncated"]["value"] == found["no_answer"]["value"] == 0.5
    assert found["malformed"]["value"] == 0.5
    assert found["problems"] == {"missing_answer": 1}
    assert found["tokens"] == {"prompt": 20, "completion": 10}


def test_scores_are_strict_json_even_without_any_item_of_a_kind(row):
    found = score_rows([row(0, answer_type="text")], {})
    assert found["mra"]["value"] is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("cited", "events", "expected"),
    [
        ([], [(1.0, 2.0)], (0, 0, 1, 0)),
        ([1.5, 1.5, 9.0], [(1.0, 2.0)], (2, 1, 1, 1)),
        ([2.5, 3.1], [(1.0, 2.0)], (2, 1, 1, 1)),  # half a second beside it still hits
        ([0.6], [(1.0, 2.0), (0.9, 1.0), (5.0, 6.0)], (1, 1, 3, 2)),
        ([4.0], [], (1, 0, 0, 0)),
    ],
)
def test_cited_times_against_events(cited, events, expected):
    found = cited_hits(cited, events, 0.5)
    assert tuple(found[k] for k in ("cited", "hits", "events", "events_hit")) == expected


CHOICE = Question(
    id="q", video="v.mp4", question="When?", options=("red", "blue"), answer_type="choice",
    answer="B", gold_spans=({"start_s": 1.0, "end_s": 2.0},),
)  # fmt: skip
THINK = "At <keyframes>1.5, 7</keyframes> it is blue. The answer is B."
TEXT = f"<think>{THINK}</think><answer>B</answer>"


async def test_metrics_are_measured_per_item_and_added_up(tmp_path):
    protocol = load_protocol("demo")
    metrics = build_metrics(MetricContext(protocol, tmp_path))
    assert list(metrics) == ["tac", "citations"]
    reply = Reply(raw=RawCandidate(TEXT, completion_tokens=9, truncated=True))
    row = await make_row(0, CHOICE, reply, protocol, metrics)
    assert (row.answer, row.right, row.truncated, row.completion_tokens) == ("B", True, True, 9)
    assert row.metrics["citations"] == {"cited": 2, "hits": 1, "events": 1, "events_hit": 1}
    assert row.metrics["tac"]["same"] is True
    found = score_rows([row], metrics)["metrics"]
    assert found["citations"]["precision"]["value"] == 0.5
    assert found["citations"]["recall"]["value"] == found["citations"]["citing"]["value"] == 1.0
    assert found["tac"]["strict"]["value"] == found["tac"]["coverage"]["value"] == 1.0
    wrong = "<think>It is red. The answer is A.</think><answer>B</answer>"
    other = await make_row(1, CHOICE, Reply(raw=RawCandidate(wrong)), protocol, metrics)
    found = score_rows([row, other], metrics)["metrics"]
    assert found["tac"]["strict"]["value"] == 0.5
    json.dumps(score_rows([row, other], metrics), allow_nan=False)


async def test_an_elected_answer_counts_whatever_form_its_supporters_have(tmp_path):
    voter = CandidateRecord(
        view=1, temperature=0.2, spatial="full", brightness=1.0, text="x<answer>B</answer>",
        answer="B", weight=0.4,
    )  # fmt: skip
    strong = voter.model_copy(update={"view": 2, "text": "y<answer>B</answer>", "weight": 0.9})
    record = ElectionRecord(
        question_id="q", status="elected", answer="B", candidates=(voter, strong),
        votes=(VoteRecord(answer="B", key="B", votes=1.3, share=1.0, supporters=(1, 2)),),
    )  # fmt: skip
    assert best_supporter(record) == strong
    protocol = load_protocol("demo_elect", ["metrics=[]"])
    reply = Reply(raw=RawCandidate(strong.text), election=record)
    row = await make_row(0, CHOICE, reply, protocol, {})
    assert (row.answer, row.right, row.well_formed, row.election) == ("B", True, True, record)
    none = record.model_copy(update={"status": "no_answer", "answer": None, "votes": ()})
    assert best_supporter(none) is None
    row = await make_row(0, CHOICE, Reply(raw=RawCandidate(""), election=none), protocol, {})
    assert (row.answer, row.right, row.failure) == (None, False, None)


def test_metrics_have_names_and_needs(tmp_path):
    assert {"tac", "citations", "vas_j"} <= set(metric_names())
    with pytest.raises(UserError, match=r"'tca' is unknown; give some of .*tac"):
        build_metrics(MetricContext(load_protocol("demo", ["metrics=[tca]"]), tmp_path))
    with pytest.raises(UserError, match="vas_j needs a judge"):
        build_metrics(MetricContext(load_protocol("demo", ["metrics=[vas_j]"]), tmp_path))
    with pytest.raises(UserError, match="tac needs thinking"):
        build_metrics(
            MetricContext(load_protocol("video16_direct", ["metrics=[tac]"]), tmp_path)
        )
    with pytest.raises(ValueError, match="already registered"):
        register_metric("tac", lambda _: None)  # type: ignore[arg-type, return-value]


def test_seeds_belong_to_questions():
    seeds = {item_seed(s, q) for s in (0, 1) for q in ("a", "b", "c")}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert item_seed(0, "a") == item_seed(0, "a")


def test_tables(row):
    scores = score_rows([row(0), row(1, right=False, family="a_b & c|d")], {})
    header, rows = score_table(scores)
    text = render(header, rows, "text", "the title")
    assert text.startswith("the title")
    assert "all items (micro)" in text
    markdown = render(header, rows, "markdown").splitlines()
    assert all(line.startswith("|") and line.endswith("|") for line in markdown)
    assert {line.replace("\\|", "").count("|") for line in markdown} == {7}
    assert "50.0" in markdown[2]
    latex = render(header, rows, "latex")
    assert r"family a\_b \& c|d & 1 & 0.0" in latex
    assert latex.startswith(r"\begin{tabular}{lrrrrr}")
    assert latex.count(r"\\") == len(rows) + 1
