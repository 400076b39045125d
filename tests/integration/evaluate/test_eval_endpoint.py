"""A model behind HTTP: concurrent, faulty, dead, and in the order of the data all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ffr.data.load import load_questions
from ffr.evaluate.rows import read_items

ROOT = Path(__file__).parents[3]


@pytest.fixture
def numbered(world, upstream, tmp_path):
    """The test questions, each with words of its own; every second one is answered right."""
    rows = [json.loads(line) for line in world.test.read_text().splitlines()]
    for i, row in enumerate(rows[::2]):
        upstream.answers[f"Number {2 * i}: {row['question']}"] = row["answer"]
    path = tmp_path / "numbered.jsonl"
    path.write_text("".join(
        json.dumps({**row, "question": f"Number {i}: {row['question']}"}) + "\n"
        for i, row in enumerate(rows)
    ))  # fmt: skip
    return path


@pytest.fixture
def words(upstream, numbered, world, tmp_path):
    def build(*more, out="out"):
        return [
            "eval", "--endpoint", upstream.base_url, "--model", "small", "--data", numbered,
            "--media-root", world.root, "--protocol", "demo", "--out", tmp_path / out,
            "--concurrency", 4, *more,
        ]  # fmt: skip

    return build


@pytest.fixture
def questions(numbered):
    return load_questions(numbered, check_media=False).questions


def test_the_endpoint_sees_frames_with_their_times_and_is_scored(
    upstream, words, questions, tmp_path, ffr
):
    code, out, err = ffr(*words())
    assert (code, err) == (0, "")
    assert "all items (micro)" in out
    rows = read_items(tmp_path / "out" / "items.jsonl")
    assert [row.question_id for row in rows] == [q.id for q in questions]
    assert [row.answer for row in rows[::2]] == [q.answer for q in questions[::2]]
    assert [row.right for row in rows] == [True, False] * 8
    assert {(row.prompt_tokens, row.completion_tokens) for row in rows} == {(7, 5)}
    body = upstream.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0.0, 40)
    blocks = body["messages"][-1]["content"]
    assert sum(b["type"] == "image_url" for b in blocks) == 8
    assert blocks[0]["text"] == "0.5 s:"
    assert len({json.dumps(b["seed"]) for b in upstream.bodies}) == 16
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["metrics"]["citations"]["citing"]["value"] == 1.0
    assert scores["accuracy"]["micro"]["value"] == 0.5
    assert scores["model"] == "small"


def test_faults_are_repeated_or_become_rows(upstream, words, questions, tmp_path, ffr):
    asked = [q.question for q in questions]
    upstream.faults = {asked[0]: [503, "garbage"], asked[1]: [429], asked[2]: [400] * 9,
                       asked[5]: [500] * 9}  # fmt: skip
    assert ffr(*words("--attempts", 3))[0] == 0
    rows = read_items(tmp_path / "out" / "items.jsonl")
    assert [row.question_id for row in rows] == [q.id for q in questions]
    failed = {row.index: row.failure for row in rows if row.failure is not None}
    assert sorted(failed) == [2, 5]
    assert failed[2].kind == failed[5].kind == "endpoint"
    assert "status 400" in failed[2].detail
    assert "status 500" in failed[5].detail
    assert [upstream.asked[asked[i]] for i in (0, 1, 2, 3, 5)] == [3, 2, 1, 1, 3]
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["failed"] == {"endpoint": 2}
    assert scores["retries"] == 2 + 1 + 2

    upstream.faults.clear()
    before = sum(upstream.asked.values())
    assert ffr(*words("--attempts", 3))[0] == 0  # finished: nothing is asked
    assert sum(upstream.asked.values()) == before
    assert ffr(*words("--attempts", 3, "--retry-failed"))[0] == 0
    assert sum(upstream.asked.values()) == before + 2
    again = read_items(tmp_path / "out" / "items.jsonl")
    assert not any(row.failure for row in again)
    clean = tmp_path / "clean"
    assert ffr(*words(out="clean"))[0] == 0
    assert (clean / "items.jsonl").read_bytes() == (tmp_path / "out/items.jsonl").read_bytes()


def test_a_dead_endpoint_ends_the_evaluation_and_what_is_done_is_kept(
    upstream, words, questions, tmp_path, ffr
):
    upstream.dead = True
    code, _, err = ffr(*words("--attempts", 1, "--concurrency", 1))
    assert code == 2
    assert "8 questions in a row: status 500" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out" / "scores.json").exists()
    upstream.dead = False
    assert ffr(*words("--attempts", 1, "--concurrency", 1))[0] == 0
    rows = read_items(tmp_path / "out" / "items.jsonl")
    assert not any(row.failure for row in rows)  # failed calls are made again


def test_killed_while_calls_are_under_way(upstream, words, tmp_path, ffr):
    assert ffr(*words(out="whole"))[0] == 0
    upstream.asked.clear()
    upstream.silent_after = 9
    command = [sys.executable, "-m", "ffr", *map(str, words())]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    done = tmp_path / "out" / "batches.jsonl"
    while process.poll() is None and (upstream.hold.is_set() or not done.exists()):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    upstream.silent_after = None
    upstream.hold.set()
    kept = done.read_bytes().count(b"\n")
    assert 0 < kept < 16
    upstream.asked.clear()
    assert ffr(*words())[0] == 0
    assert sum(upstream.asked.values()) == 16 - kept  # nothing is asked twice
    assert (tmp_path / "out/items.jsonl").read_bytes() == (
        tmp_path / "whole/items.jsonl"
    ).read_bytes()


def test_two_models_are_compared(upstream, words, tmp_path, ffr):
    assert ffr(*words(out="one"))[0] == 0
    upstream.faults = {body["messages"][-1]["content"][-1]["text"].split("\n")[0]: [400] * 99
                       for body in upstream.bodies[:6]}  # fmt: skip
    assert ffr(*words(out="two"))[0] == 0
    code, out, err = ffr("compare", tmp_path / "one", tmp_path / "two")
    assert (code, err) == (0, "")
    assert "two: McNemar" in out
    found = json.loads((tmp_path / "two" / "comparison.json").read_text())["comparisons"][0]
    failed = sum(row.failure is not None for row in read_items(tmp_path / "two" / "items.jsonl"))
    assert failed == 6
    assert (found["wins"], found["ties"] + found["losses"]) == (0, 16)
    assert 0 < found["losses"] < 6  # only those that were right before
    assert found["accuracy"]["difference"]["value"] == -found["losses"] / 16
    assert ffr(*words("frames.count=4", out="other"))[0] == 0
    code, _, err = ffr("compare", tmp_path / "one", tmp_path / "other")
    assert code == 2
    assert "frames.count: 8 against 4" in err
    assert ffr("compare", tmp_path / "one", tmp_path / "other", "--allow-unlike")[0] == 0
