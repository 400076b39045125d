"""Estimates before a job, numbers during it, the summary after it."""

from __future__ import annotations

import pytest
from rich.console import Console

from ffr.cache_jobs.collect import Collection
from ffr.cache_jobs.display import Display
from ffr.cache_jobs.estimate import estimate, history
from ffr.cache_jobs.summary import EXIT_CODES, Spend, print_estimate, print_job, summarise
from ffr.cache_jobs.totals import Totals, clock_time
from ffr.cache_jobs.worklist import Worklist
from ffr.config.cache import EstimateConfig
from ffr.config.rewards import RewardConfig
from ffr.config.teacher import LeakConfig, TeacherConfig

TEACHER = TeacherConfig(
    first_view_frames=10, max_tool_rounds=2, max_images=8, max_output_tokens=1000,
    leak=LeakConfig(retries=1), price_input=2.0, price_output=10.0,
)  # fmt: skip
ASSUME = EstimateConfig(
    prompt_tokens=1000, tokens_per_image=100, tool_rounds=1, images_per_round=4,
    output_tokens=200, corrected_share=0,
)  # fmt: skip


def test_an_estimate_worked_out_by_hand(make):
    groups = [make.group("v1", "a", "b"), make.group("v2", "c")]
    plan = estimate(groups, TEACHER, ASSUME)
    # One round: two requests. The first holds 10 images, the second 10 + 4 and the first reply.
    assert (plan.diagnoses, plan.videos) == (3, 2)
    assert plan.calls.expected == 3 * 2
    assert plan.frames_sent.expected == 3 * (10 + 14)
    assert plan.tokens_in.expected == 3 * (2 * 1000 + 24 * 100 + 200)
    assert plan.tokens_out.expected == 3 * 2 * 200
    assert plan.frames_decoded.expected == 2 * 10 + 3 * 4
    # Two rounds, an answer, two corrections: five requests with 0, 4, 8, 8, 8 images of tools.
    assert plan.calls.at_most == 3 * 5
    assert plan.frames_sent.at_most == 3 * (5 * 10 + 4 + 8 + 8 + 8)
    replies = 1000 * (0 + 1 + 2 + 3 + 4)
    assert plan.tokens_in.at_most == 3 * (5 * 1000 + 78 * 100 + replies)
    assert plan.tokens_out.at_most == 3 * 5 * 1000
    assert plan.cost == pytest.approx(
        (
            (plan.tokens_in.expected * 2 + plan.tokens_out.expected * 10) / 1e6,
            (plan.tokens_in.at_most * 2 + plan.tokens_out.at_most * 10) / 1e6,
        )
    )


def test_nothing_left_costs_nothing():
    plan = estimate([], TEACHER, ASSUME)
    assert (plan.calls.at_most, plan.frames_decoded.at_most, plan.cost) == (0, 0, (0.0, 0.0))


def test_without_prices_no_cost_is_made_up(make):
    free = TEACHER.model_copy(update={"price_input": None})
    assert estimate([make.group("v", "a")], free, ASSUME).cost is None


def test_pixels_decide_about_image_tokens_when_nothing_else_is_said(make):
    assume = ASSUME.model_copy(update={"tokens_per_image": None})
    small = estimate([make.group("v", "a")], TEACHER, assume, frame_pixels=784 * 10)
    large = estimate([make.group("v", "a")], TEACHER, assume, frame_pixels=784 * 30)
    assert large.tokens_in.expected - small.tokens_in.expected == 24 * 20


def test_a_budget_bounds_the_estimate_and_is_said(make):
    budget = TEACHER.model_copy(update={"max_calls": 2})
    plan = estimate([make.group("v", "a", "b", "c")], budget, ASSUME)
    assert plan.calls.expected == 2 * 2
    assert any("max_calls=2" in note for note in plan.assumptions)


def test_answers_not_given_yet_count_as_failures_and_are_said(make):
    plan = estimate([make.group("v", "a")], TEACHER, ASSUME, more=9)
    assert plan.diagnoses == 10
    assert any("9 diagnoses" in note for note in plan.assumptions)


def test_a_teacher_without_an_endpoint_costs_no_tokens(make):
    gold = TEACHER.model_copy(update={"kind": "annotations"})
    plan = estimate([make.group("v", "a")], gold, ASSUME)
    assert (plan.diagnoses, plan.calls.at_most, plan.tokens_in.at_most) == (1, 0, 0)


def test_own_means_replace_the_assumptions_once_there_are_enough(make):
    end = {"event": "end", "source": "live", "calls": 3, "tokens_in": 5000, "tokens_out": 70}
    noise = [{"event": "start"}, {"event": "end", "source": "store"}]
    assert history([end] * 19 + noise) is None
    measured = history([end] * 20 + noise)
    assert measured is not None
    plan = estimate([make.group("v", "a", "b")], TEACHER, ASSUME, measured=measured)
    assert (plan.calls.expected, plan.tokens_in.expected, plan.tokens_out.expected) == (
        6, 10_000, 140,
    )  # fmt: skip
    assert any("means of 20 diagnoses" in note for note in plan.assumptions)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rate_time_left_spend_and_a_second_try(make):
    clock = Clock()
    totals = Totals(TEACHER, clock)
    a, b, c = make.group("v", *"abc").items
    totals.begin(10)
    assert totals.eta_s is None
    clock.now = 60.0
    totals.add(make.result(a))
    totals.add(make.result(b, "timeout", detail="slow"))
    totals.add(make.result(c, source="store", counters={}))
    assert (totals.done, totals.per_minute, totals.eta_s) == (3, 3.0, 140.0)
    assert totals.cost == pytest.approx((200 * 2 + 20 * 10) / 1e6)
    assert (totals.hits, totals.failures) == (1, {"timeout": 1})
    assert totals.line() == (
        "3/10, 3.0 a minute, 2:20 left, 4 calls, 220 tokens, cost 0.00, 1 hits, 1 failures"
    )
    totals.add(make.result(b))
    assert (totals.done, totals.patches, totals.failures) == (3, 3, {})
    assert totals.counters["calls"] == 6
    assert totals.offenders == {}
    assert clock_time(3723.9) == "1:02:03"


def summary_of(make, totals, *, work=None, stopped=False):
    work = work or Worklist(groups=[make.group("v", *"abc")], videos=1)
    found = Collection({}, RewardConfig())
    found.leave_out("unreadable_line", "x.jsonl, line 3")
    return summarise(
        found, work, totals, questions=2, skipped_questions=0, stopped=stopped, job=Spend(),
        store="/s", seconds=65.0,
    )  # fmt: skip


def test_the_status_says_whether_the_same_command_has_something_left(make):
    items = make.group("v", *"abc").items
    totals = Totals(TEACHER)
    for item in items[:2]:
        totals.add(make.result(item))
    assert summary_of(make, totals).status == "incomplete"  # one was not begun
    totals.add(make.result(items[2], "leak", detail="letter"))
    assert summary_of(make, totals).status == "ok"  # a leak is an answer: it is stored
    assert summary_of(make, totals, stopped=True).status == "stopped"
    totals.add(make.result(items[2], "timeout"))
    assert summary_of(make, totals).status == "incomplete"
    totals.add(make.result(items[2]))
    lost = make.result(items[0], "media_error")
    work = Worklist(groups=[make.group("v", *"abc")], unreadable=[lost], videos=2)
    assert summary_of(make, totals, work=work).status == "incomplete"
    assert EXIT_CODES == {"ok": 0, "incomplete": 1, "stopped": 130}


def test_every_request_is_accounted_for_and_offenders_are_named(make):
    items = make.group("v", *"abcdefgh").items
    totals = Totals(TEACHER)
    totals.add(make.result(items[0]))
    for item in items[1:6]:
        totals.add(make.result(item, "leak", detail=f"[red]{item.key}[/red]"))
    work = Worklist(groups=[make.group("v", *"abcdefgh")], videos=1)
    work.stored.update({"patch": 4, "leak": 2})
    summary = summary_of(make, totals, work=work)
    parts = summary.hits + summary.patches + sum(summary.failures.values()) + summary.not_begun
    assert parts == summary.requests == 14
    assert summary.failures == {"leak": 7}
    assert [o.question_id for o in summary.offenders["leak"]] == ["q-b", "q-c", "q-d"]
    console = Console(record=True, width=120)
    print_job(summary, console=console)
    shown = console.export_text()
    assert "leak: q-b (v) [red]b[/red]" in shown
    assert "unreadable_line: x.jsonl, line 3" in shown
    assert "incomplete; the same command goes on, after 1:05" in shown


def test_the_estimate_is_shown_with_its_assumptions(make):
    work = Worklist(groups=[make.group("v", "a")], videos=1)
    console = Console(record=True, width=120)
    free = TEACHER.model_copy(update={"price_input": None})
    print_estimate(work, estimate(work.groups, free, ASSUME), store="/s", console=console)
    shown = console.export_text()
    assert "Nothing was asked" in shown
    assert "set teacher.price_input" in shown
    assert "1000 tokens of text a request" in shown


def test_a_log_gets_a_line_now_and_then_and_a_short_job_none(capsys):
    with Display("asking", every_s=3600.0) as display:
        display.count(1, 10)
        display.say("a word")
    assert capsys.readouterr().err == "a word\n"
    with Display("asking", every_s=1e-9) as display:
        display.count(2, 10)
    assert capsys.readouterr().err == "asking: 2/10\n"
