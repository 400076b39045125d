"""A tiny checkpoint on real videos: the same again, killed and resumed, as in the last stage."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ffr.cli.main import main
from ffr.config.load import dump_config, load_config
from ffr.data.load import load_questions
from ffr.evaluate.main import main as last_stage
from ffr.evaluate.rows import read_items
from ffr.run.folder import RunFolder

ROOT = Path(__file__).parents[3]


def words(checkpoint, data, out, *more, protocol="demo", batch_size=3):
    return ["eval", "--model", checkpoint, "--data", data, "--protocol", protocol, "--out", out,
            "--batch-size", batch_size, "sampling.max_new_tokens=8", *more]  # fmt: skip


@pytest.fixture(scope="module")
def once(checkpoint, data, tmp_path_factory):
    """What one evaluation leaves."""
    out = tmp_path_factory.mktemp("once") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ffr", *map(str, words(checkpoint, data, out))])
        with pytest.raises(SystemExit) as stopped:
            main()
    assert not stopped.value.code
    return out


def test_every_question_is_a_row_in_its_place(once, data):
    questions = load_questions(data, check_media=False).questions
    rows = read_items(once / "items.jsonl")
    assert [row.question_id for row in rows] == [q.id for q in questions]
    assert [row.index for row in rows] == list(range(16))
    failed = [row for row in rows if row.failure is not None]
    assert [row.index for row in failed] == [3]
    assert failed[0].failure.kind == "media"
    assert "gone.mp4" in failed[0].failure.detail
    assert all(row.completion_tokens and row.prompt_tokens > 30 for row in rows if not row.failure)
    scores = json.loads((once / "scores.json").read_text())
    assert (scores["items"], scores["answered"], scores["failed"]) == (16, 15, {"media": 1})
    assert scores["accuracy"]["micro"]["n"] == 16
    assert set(scores["metrics"]) == {"tac", "citations"}
    identity = scores["manifest"]["identity"]
    assert identity["execution"] == {
        "batch_size": 3, "device": "cpu", "dtype": "float32", "attention": "sdpa",
    }  # fmt: skip
    assert len(identity["model"]["weights_sha256"]) == 64


@pytest.mark.parametrize("more", [[], ["sampling.temperature=0.9"]])
def test_the_same_evaluation_gives_the_same_bytes(more, once, checkpoint, data, tmp_path, ffr):
    """Sampling too: every question has a random stream of its own."""
    outs = [tmp_path / "a", tmp_path / "b"] if more else [tmp_path / "a"]
    for out in outs:
        assert ffr(*words(checkpoint, data, out, *more))[0] == 0
    first = (once if not more else outs[0]) / "items.jsonl"
    assert (outs[-1] / "items.jsonl").read_bytes() == first.read_bytes()
    if more:
        assert first.read_bytes() != (once / "items.jsonl").read_bytes()


def test_a_finished_evaluation_is_read_not_repeated(once, checkpoint, data, ffr):
    before = {p.name: p.stat().st_mtime_ns for p in once.iterdir() if p.name != "manifest.json"}
    code, out, _ = ffr(*words(checkpoint, data, once, "--json"))
    assert code == 0
    assert json.loads(out) == json.loads((once / "scores.json").read_text())
    after = {p.name: p.stat().st_mtime_ns for p in once.iterdir()}
    assert {n: t for n, t in after.items() if n in ("items.jsonl", "batches.jsonl")} == {
        n: t for n, t in before.items() if n in ("items.jsonl", "batches.jsonl")
    }
    code, out, _ = ffr(*words(checkpoint, data, once, "--table", "markdown"))
    assert out.splitlines()[2].startswith("| all items (micro)")


def test_killed_and_started_again_it_gives_the_same_file(once, checkpoint, data, tmp_path, ffr):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "ffr", *map(str, words(checkpoint, data, out))]
    batches = out / "batches.jsonl"
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not (batches.exists() and b"\n" in batches.read_bytes()):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had finished before it was killed"
    assert 0 < batches.read_bytes().count(b"\n") < 6
    assert not (out / "items.jsonl").exists()
    assert ffr(*words(checkpoint, data, out))[0] == 0
    assert (out / "items.jsonl").read_bytes() == (once / "items.jsonl").read_bytes()
    one, two = (json.loads((p / "scores.json").read_text()) for p in (once, out))
    for scores in (one, two):
        for key in ("seconds", "manifest"):
            del scores[key]
    assert one == two


def test_other_settings_in_the_same_folder_are_refused(once, checkpoint, data, ffr):
    code, _, err = ffr(*words(checkpoint, data, once, batch_size=4))
    assert code == 2
    assert "execution.batch_size: 3 against 4" in err
    code, _, err = ffr(*words(checkpoint, data, once, "frames.count=4"))
    assert code == 2
    assert "frames.count: 8 against 4" in err


def test_a_prompt_over_the_limit_is_a_row(checkpoint, data, tmp_path, ffr):
    assert ffr(*words(checkpoint, data, tmp_path, "max_prompt_tokens=80"))[0] == 0
    kinds = {row.failure.kind for row in read_items(tmp_path / "items.jsonl") if row.failure}
    assert kinds == {"media", "prompt"}


def test_an_election_is_evaluated_and_repeats(checkpoint, data, tmp_path, ffr):
    for name in ("a", "b"):
        code, _, err = ffr(
            *words(checkpoint, data, tmp_path / name, "--limit", 4,
                   "election.views.max_new_tokens=8", protocol="demo_elect")
        )  # fmt: skip
        assert code == 0, err
    items = [(tmp_path / name / "items.jsonl").read_bytes() for name in ("a", "b")]
    assert items[0] == items[1]
    rows = read_items(tmp_path / "a" / "items.jsonl")
    assert [row.failure is None for row in rows] == [True, True, True, False]
    assert rows[0].election is not None
    assert len(rows[0].election.candidates) == 8
    scores = json.loads((tmp_path / "a" / "scores.json").read_text())
    assert scores["election"]["candidates"]["mean"] == 8
    assert scores["election"]["status"] == {"no_answer": 3}  # it was never trained


def test_answers_without_reasoning(checkpoint, data, tmp_path, ffr):
    more = ["thinking=false", "prompt.ask_keyframes=false", "metrics=[]", "--limit", 3,
            "sampling.temperature=1.0"]  # fmt: skip
    assert ffr(*words(checkpoint, data, tmp_path, *more))[0] == 0
    rows = read_items(tmp_path / "items.jsonl")
    untagged = [row for row in rows if row.problems == ("untagged",)]
    assert untagged  # an untrained student rarely writes a tag
    assert all(row.answer == (row.response or "").strip() for row in untagged)


def test_the_last_stage_of_a_run_gives_the_same_answers(
    checkpoint, data, world, tmp_path, ffr
):
    """One path: what ``ffr-train`` reports can be repeated with ``ffr eval``, item by item."""
    config = load_config(
        [ROOT / "configs" / "quickstart.yaml"],
        ["data.demo=null", "student.tiny=null", f"student.path={checkpoint}", "stages=[eval]",
         "teacher={kind: none}", "eval.batch_size=3", "student.max_response_tokens=8"],
    )  # fmt: skip
    run = RunFolder.create(tmp_path / "run", dump_config(config))
    inputs = {"media_root": str(world.root), "test": str(data), "frame_cache": None,
              "store": str(run.path / "patches"), "teacher_base_url": None}  # fmt: skip
    (run.path / "inputs.json").write_text(json.dumps(inputs))
    asyncio.run(last_stage(str(run.path), [f"after={checkpoint}"]))
    trained = read_items(run.path / "eval" / "after.jsonl")

    code, _, err = ffr(
        "eval", "--model", checkpoint, "--data", data, "--out", tmp_path / "again",
        "--protocol", run.path / "eval" / "protocol.yaml", "--batch-size", 3,
    )  # fmt: skip
    assert code == 0, err
    rows = read_items(tmp_path / "again" / "items.jsonl")
    assert rows == trained
    table = json.loads((run.path / "eval" / "after.json").read_text())
    scores = json.loads((tmp_path / "again" / "scores.json").read_text())
    assert table["all"]["accuracy"] == scores["accuracy"]["answered_only"]["value"]
    assert table["all"]["n"] == scores["accuracy"]["answered_only"]["n"] == 15


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--model", "nowhere"], "holds no config.json"),
        ([], "give --model CHECKPOINT"),
        (["--model", "x", "--protocol", "video17"], "'video17' is neither a file"),
        (["--model", "x", "frames.cuont=4"], "did you mean frames.count"),
        (["--endpoint", "ftp://host", "--model", "x"], "http"),
    ],
)
def test_mistakes_are_one_line(more, problem, data, tmp_path, ffr):
    code, _, err = ffr(
        "eval", "--data", data, "--protocol", "demo", "--out", tmp_path / "out", *more
    )
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1
