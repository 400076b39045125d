"""The election view of `ffr report`, for a folder that `ffr elect` made and for a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from ffr.elect.record import (
    CandidateRecord,
    CitedRecord,
    ElectionRecord,
    RefereeRecord,
    VoteRecord,
)
from ffr.report.build import build_report

ATTACK = "<img src=x onerror=window.bad=1>"


def candidate(
    view: int, answer: str | None, cited: tuple[int, ...], **more: object
) -> CandidateRecord:
    values = {
        "view": view, "temperature": 0.7, "spatial": "full", "brightness": 1.0,
        "text": f"<think>at 3.5 s {ATTACK}</think><answer>{answer}</answer>", "answer": answer,
        "key": answer, "cited": cited, "score": 0.8 if answer else None,
        "weight": 0.9 if answer else None, "completion_tokens": 12,
    }  # fmt: skip
    return CandidateRecord.model_validate(values | more)


@pytest.fixture
def elections(tmp_path) -> Path:
    candidates = (
        candidate(0, "A", (1, 2)),
        candidate(1, f"B{ATTACK}", (2, 3)),
        candidate(2, None, (), reason="no_answer"),
        candidate(3, "A", (1, 2)),
    )
    record = ElectionRecord(
        question_id="q1", status="elected", answer="A", margin=0.4, confidence=0.7, generated=4,
        votes=(VoteRecord(answer="A", key="A", votes=1.8, share=0.7, supporters=(0, 3)),
               VoteRecord(answer=f"B{ATTACK}", key="B", votes=0.7, share=0.3, supporters=(1,))),
        candidates=candidates, cited=(CitedRecord(unit=1, t_s=3.5, weight=1.0),), units=8,
        referee=RefereeRecord(by="model", r=0.2, readable=True, factor=0.6, first_winner="B",
                              overturned=True, text=f"no {ATTACK}"),
        right=True, right_before_referee=False, accuracy=1.0, seconds=1.5, family="temporal",
    )  # fmt: skip
    old = record.model_copy(update={"answer": "B", "right": False})  # tried again: counts no more
    folder = tmp_path / "elections"
    folder.mkdir()
    lines = [old, record, record.model_copy(update={"question_id": "q2", "right": None})]
    text = "".join(line.model_dump_json() + "\n" for line in lines)
    (folder / "elections.jsonl").write_text(text + "torn")
    return folder


def test_an_election_is_shown_with_its_votes_evidence_and_referee(elections, tmp_path, visit):
    made = build_report([elections], tmp_path / "e.html")
    seen = visit(made.page, "#/elections")
    page = seen.page
    assert "elections\t2" in page.inner_text("main")
    assert "overturned\t2" in page.inner_text("main")
    page.click("text=q1")
    page.wait_for_selector("text=elected:")  # the list has a card about votes too
    votes = page.locator(".card", has_text="Votes").first
    assert "70 %" in votes.inner_text()
    assert "1, 4" in votes.inner_text()
    assert "3.5 s" in votes.inner_text()
    overlap = page.locator(".card", has_text="Overlap").first.inner_text()
    assert "0.33" in overlap
    assert "1.00" in overlap
    assert "overturned\tyes" in page.inner_text("main")
    expect(page.locator(".three .column")).to_have_count(4)
    assert "no vote: no answer" in page.inner_text("main")
    assert ATTACK in page.inner_text(".three")
    assert page.locator("img").count() == 0
    assert seen.errors == []
    assert page.evaluate("window.bad") is None
    page.keyboard.press("1")
    expect(page.locator("main")).to_contain_text("Nothing stands out")
    page.keyboard.press("3")
    expect(page.locator("main")).to_contain_text("There are no rollouts")
