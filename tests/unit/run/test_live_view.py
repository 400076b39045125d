"""A run watched while it is written, by the library's own writers."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ffr.cli.main import build_app
from ffr.run.folder import RunFolder
from ffr.run.summary import write_summary
from ffr.train.stage_state import StageState as Stages
from ffr.watch.follow import follow_json, follow_lines, follow_screen
from ffr.watch.plain import line, snapshot, snapshot_text
from ffr.watch.state import RunWatch
from ffr.watch.view import page

CONFIG = """name: demo
stages: [sft, grpo, eval]
sft: {steps: 3}
grpo: {steps: 5, questions_per_step: 2}
"""


class Run:
    """Writes what a launcher and its stages write."""

    def __init__(self, path, make_group) -> None:
        self.folder = RunFolder.create(path, CONFIG)
        self.stages = Stages(path / "stages.json")
        self.group = make_group
        self.lock = None

    def launch(self) -> None:
        self.lock = self.folder.lock()
        self.lock.__enter__()

    def begin(self, stage: str, total: int, resumed: int = 0) -> None:
        self.folder.append_event(
            {"event": "stage_begin", "stage": stage, "total": total, "resumed": resumed}
        )

    def step(self, stage: str, step: int, **metrics: float) -> None:
        self.folder.append_metrics({"stage": stage, "step": step, "seconds": 2.0} | metrics)

    def finish(self, stage: str, steps: int) -> None:
        self.stages.record(stage, seconds=1.0, steps=steps, done=True)

    def end(self, status: str = "ok") -> None:
        write_summary(self.folder, status=status, stages=self.stages.stages, seconds=60.0)
        self.lock.__exit__(None, None, None)


@pytest.fixture
def run(tmp_path, make_group):
    return Run(tmp_path / "run", make_group)


@pytest.fixture
def watched(run):
    return RunWatch(run.folder)


def drawn(run: RunWatch, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, height=60, force_terminal=True)
    console.print(page(run))
    return console.file.getvalue()


def test_a_run_from_its_first_moment_to_its_last(run, watched):
    watched.refresh()
    assert (watched.status, watched.stage, watched.phase) == ("starting", None, "preparing")
    assert list(watched.stages) == ["sft", "grpo", "eval"]

    run.launch()
    run.begin("sft", 3)
    watched.refresh()
    assert (watched.status, watched.stage.name, watched.phase) == (
        "running", "sft", "starting engines",
    )  # fmt: skip
    for step in (1, 2, 3):
        run.step("sft", step, loss=3.0 / step)
    watched.refresh()
    assert watched.stage.finished == 3
    assert watched.stage.series("loss") == [3.0, 1.5, 1.0]
    assert (watched.phase, watched.left()) == ("finishing", None)
    run.finish("sft", 3)
    watched.refresh()
    assert watched.phase == "next stage"

    run.begin("grpo", 5)
    watched.refresh()
    assert (watched.stage.name, watched.phase) == ("grpo", "starting engines")
    log = run.folder.rollout_log()
    log.append(run.group(1, 1, group="s1q0"))
    watched.refresh()
    assert watched.phase == "answers and repairs 1/2"
    assert [g.outcome for g in watched.groups] == [
        "1/4 right, 1 of 3 patched, 1 repaired; empty_response 1, leak 1"
    ]
    log.append(run.group(1, 1, group="s1q1"))
    watched.refresh()
    assert watched.phase == "update"
    run.step("grpo", 1, **{"accuracy/first_pass": 0.5})
    watched.refresh()
    assert watched.phase == "answers and repairs 0/2"
    assert watched.left(watched.stage.changed) == pytest.approx(8.0)  # four steps of 2 s
    assert "grpo 1/5" in line(watched)
    assert "first answers right 50 %" in line(watched)

    for step in range(2, 6):
        run.step("grpo", step)
    run.finish("grpo", 5)
    run.begin("eval", 40)
    run.step("eval", 20, accuracy=0.25)
    watched.refresh()
    assert (watched.stage.name, watched.phase) == ("eval", "answering")
    assert not watched.over
    run.finish("eval", 40)
    run.end()
    watched.refresh()
    assert (watched.status, watched.over, watched.phase) == ("ok", True, "")
    assert watched.seconds == 60.0
    assert all(stage.done for stage in watched.stages.values())


def test_somebody_who_comes_late_sees_the_same(run, watched):
    run.launch()
    run.begin("grpo", 5)
    log = run.folder.rollout_log()
    for step in range(1, 5):
        for question in range(2):
            log.append(run.group(step, 1, group=f"s{step}q{question}"))
            watched.refresh()
        run.step("grpo", step, **{"repair/success_rate": step / 10})
        watched.refresh()
    late = RunWatch(run.folder)
    late.refresh()
    assert late.phase == "answers and repairs"
    log.append(run.group(5, 1, group="s5q0"))
    watched.refresh()
    late.refresh()
    now = time.time()
    early, fresh = snapshot(watched, now), snapshot(late, now)
    assert early["groups"][-5:] == fresh["groups"]  # the last two steps are enough
    for found in (early, fresh):
        found["groups"] = found["seconds"] = None
    assert early == fresh


def test_a_line_still_being_written_waits(run, watched):
    run.launch()
    run.begin("sft", 3)
    run.step("sft", 1, loss=2.0)
    with run.folder.metrics_path.open("a") as file:
        file.write('{"time": 1, "stage": "sft", "step": 2, "lo')
    watched.refresh()
    assert watched.stage.step == 1
    with run.folder.metrics_path.open("a") as file:
        file.write('ss": 1.0}\n')
    watched.refresh()
    assert watched.stage.series("loss") == [2.0, 1.0]


def test_a_resumed_run_counts_repeated_steps_once(run, watched):
    run.launch()
    run.begin("grpo", 5)
    for step in (1, 2, 3):
        run.step("grpo", step, **{"reward/total/mean": 1.0})
    run.end("stopped")
    watched.refresh()
    assert watched.status == "stopped"
    time.sleep(0.01)
    run.launch()
    run.begin("grpo", 5, resumed=2)
    watched.refresh()
    assert (watched.status, watched.stage.finished) == ("running", 2)
    log = run.folder.rollout_log()
    log.append(run.group(3, 1, group="s3q0"))  # of the launch before, which counts no more
    log.append(run.group(3, 2, group="s3q1"))
    watched.refresh()
    assert [(g.step, g.size) for g in watched.groups] == [(3, 4)]
    run.step("grpo", 3, **{"reward/total/mean": 2.0})
    watched.refresh()
    assert watched.stage.finished == 3
    assert watched.stage.series("reward/total/mean") == [1.0, 1.0, 2.0]


def test_a_stage_with_more_steps_than_before_begins_again(run, watched):
    run.launch()
    run.begin("grpo", 5)
    run.step("grpo", 5)
    run.finish("grpo", 5)
    watched.refresh()
    assert watched.stages["grpo"].done
    time.sleep(0.1)  # file times are coarse
    run.begin("grpo", 8, resumed=5)
    watched.refresh()
    grpo = watched.stages["grpo"]
    assert (grpo.done, grpo.finished, grpo.total) == (False, 5, 8)


def test_a_launcher_that_vanished_is_gone(run, watched):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    launch = {"attempt": 1, "time": time.time(), "pid": dead.pid, "host": socket.gethostname()}
    attempts = run.folder.path / "attempts.jsonl"
    attempts.write_text(json.dumps(launch) + "\n")
    watched.refresh()
    assert (watched.status, watched.over) == ("gone", True)
    attempts.write_text(json.dumps(launch | {"host": "another-node"}) + "\n")
    watched.refresh()
    assert watched.status == "running"  # nothing can be known from here


def test_silence_is_told_only_when_it_is_unusual(run, watched):
    run.launch()
    run.begin("grpo", 5)
    run.step("grpo", 1)
    watched.refresh()
    changed = watched.stage.changed
    assert [a.kind for a in watched.alerts(changed + 100)] == []
    assert [a.text for a in watched.alerts(changed + 200)] == [
        "no news for 3 min 20 s; see the logs folder"
    ]
    run.end("stopped")
    attempts = run.folder.path / "attempts.jsonl"
    launch = {"attempt": 2, "time": changed + 1000, "pid": os.getpid(), "host": "elsewhere"}
    attempts.write_text(attempts.read_text() + json.dumps(launch) + "\n")
    watched.refresh()
    assert watched.status == "running"
    assert watched.alerts(changed + 1100) == []  # a new launch is news


def test_the_page_shows_what_there_is_and_fits_a_narrow_terminal(run, watched):
    run.launch()
    run.begin("grpo", 5)
    run.folder.rollout_log().append(run.group(1, 1))
    run.step("grpo", 1, **{"accuracy/first_pass": 0.25, "repair/leak_rejected": 2.0})
    watched.refresh()
    text = drawn(watched)
    for expected in ("demo", "running", "grpo", "1/5", "first answers right", "25 %",
                     "2 patches refused as leaks", "q0", "1/4 right"):  # fmt: skip
        assert expected in text
    for width in (40, 60, 200):
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn(watched, width))
        assert max(len(row.rstrip()) for row in plain.splitlines()) <= width


def test_texts_of_the_data_neither_steer_the_terminal_nor_become_markup(run, watched):
    evil = "\x1b]0;owned\x07\x1b[2J[bold red]q\n[/nothing]"
    run.launch()
    run.folder.rollout_log().append(run.group(1, 1, question_id=evil, family=evil))
    run.folder.append_event({"event": "warning", "text": evil})
    watched.refresh()
    text = drawn(watched, 200)
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "[bold red]q [/nothing]" in text
    plain = snapshot_text(watched)
    assert "\x1b" not in plain
    assert "\x07" not in plain


def test_followers_end_with_the_run(run, capsys):
    run.launch()
    run.begin("sft", 3)
    todo = [
        lambda: run.step("sft", 1, loss=2.0),
        lambda: None,  # nothing new: nothing is said
        lambda: run.folder.append_event({"event": "bad_row"}),
        run.end,
    ]
    follow_lines(RunWatch(run.folder), 1.0, lambda _s: todo.pop(0)())
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "demo · sft 0/3 · starting engines",
        "demo · sft 1/3 · training · 2 s/step · 4 s left · loss 2",
        "! 1 rows of the data are bad and left out; see events.jsonl",
        "demo · sft 1/3 · ok · 2 s/step · loss 2",
    ]
    follow_json(RunWatch(run.folder), 1.0)
    (only,) = capsys.readouterr().out.splitlines()
    assert json.loads(only)["status"] == "ok"
    console = Console(file=io.StringIO(), width=90, height=40, force_terminal=True)
    follow_screen(RunWatch(run.folder), console, 1.0)
    assert "loss" in console.file.getvalue()


@pytest.fixture
def ffr():
    def call(*words: str):
        return CliRunner().invoke(build_app(words), list(words))

    return call


def test_the_command_takes_one_look(run, ffr):
    run.launch()
    run.begin("sft", 3)
    run.step("sft", 1, loss=2.0)
    path = str(run.folder.path)
    found = ffr("watch", path, "--once")
    assert found.exit_code == 0
    assert "stage sft: 1/3, under way" in found.stdout
    found = ffr("watch", path, "--once", "--json")
    assert json.loads(found.stdout)["metrics"] == {"sft": {"loss": 2.0, "seconds": 2.0}}


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("stopped", 1), ("failed", 1)])
def test_the_command_ends_with_the_run_and_says_how_it_went(run, ffr, status, code):
    run.launch()
    run.end(status)
    found = ffr("watch", str(run.folder.path))
    assert found.exit_code == code
    assert status in found.stdout


def test_the_command_refuses_what_is_no_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ffr", "watch", str(tmp_path)], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "is not a run folder" in done.stderr


def test_a_terminal_without_unicode_is_no_reason_to_fail(run):
    run.launch()
    run.begin("sft", 3)
    run.step("sft", 1, loss=2.0)
    done = subprocess.run(
        [sys.executable, "-m", "ffr", "watch", str(run.folder.path), "--once"], text=True,
        capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sft: loss: 2" in done.stdout
