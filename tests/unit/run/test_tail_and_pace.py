"""Following a growing file, and judging by it how fast a stage is."""

import json

import pytest

from ffr.run.folder import RunFolder
from ffr.run.pace import Pace, duration
from ffr.run.step_phase import StepPhase
from ffr.run.tail import JsonTail


def write(path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_each_whole_line_comes_once_and_a_torn_one_waits(tmp_path):
    path = tmp_path / "m.jsonl"
    tail = JsonTail(path)
    assert tail.read() == []
    write(path, '{"a": 1}\n{"a"')
    assert tail.read() == [{"a": 1}]
    assert tail.read() == []
    write(path, ': 2}\nnot json\n[3]\n{"a": 4}\n')
    assert tail.read() == [{"a": 2}, {"a": 4}]


def test_a_file_replaced_by_a_shorter_one_is_read_anew(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, '{"a": 1}\n{"a": 2}\n')
    tail = JsonTail(path)
    assert len(tail.read()) == 2
    path.write_text('{"b": 1}\n')
    assert tail.read() == [{"b": 1}]


def test_of_a_long_file_only_the_end_is_read(tmp_path):
    path = tmp_path / "m.jsonl"
    write(path, "".join(json.dumps({"step": i}) + "\n" for i in range(1000)))
    tail = JsonTail(path, last_bytes=100)
    steps = [line["step"] for line in tail.read()]
    assert steps == list(range(1000 - len(steps), 1000))
    assert 5 < len(steps) < 10
    write(path, '{"step": 1000}\n')
    assert tail.read() == [{"step": 1000}]
    assert JsonTail(path, from_end=True).read() == []


def test_the_rate_is_that_of_the_last_steps(tmp_path):
    pace = Pace()
    assert pace.seconds_per_step is None
    assert pace.left(10) is None
    pace.note(1, 100.0, seconds=4.0)
    assert pace.seconds_per_step == 4.0
    for step in range(2, 40):
        pace.note(step, 100.0 + 2.0 * (step - 1))
    assert pace.seconds_per_step == pytest.approx(2.0)  # the first slow step has left the window
    assert pace.left(49) == pytest.approx(20.0)
    assert pace.left(49, now=100.0 + 2.0 * 38 + 1.0) == pytest.approx(19.0)
    assert pace.left(39) == 0.0


def test_a_run_that_went_back_has_a_new_rate():
    pace = Pace()
    for step in (1, 2, 3):
        pace.note(step, float(step))
    pace.note(2, 1000.0)
    assert pace.seconds_per_step is None
    pace.note(3, 1007.0)
    assert pace.seconds_per_step == 7.0


def test_questions_come_twenty_at_a_time():
    pace = Pace()
    pace.note(20, 10.0)
    pace.note(60, 14.0)
    assert pace.seconds_per_step == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
     (3599.6, "1 h 00 min"), (7620, "2 h 07 min"), (86399, "23 h 59 min"),
     (86400 * 3 + 3600 * 4, "3 d 04 h"), (86400 * 90, "90 d 00 h")],
)  # fmt: skip
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def test_the_phase_follows_the_groups_of_this_launch(tmp_path, make_group):
    folder = RunFolder.create(tmp_path / "run", "name: x\n")
    log = folder.rollout_log()
    phase = StepPhase(folder, questions=2, attempt=2)
    assert phase.text(4) == ""  # engines are started
    log.append(make_group(5, 1, group="s5q0"))
    log.append(make_group(5, 1, group="s5q1"))
    assert phase.text(4) == ""  # an earlier launch wrote those
    log.append(make_group(5, 2, group="s5q0"))
    assert phase.text(4) == "answers and repairs 1/2"
    log.append(make_group(5, 2, group="s5q9", mode="validation"))
    assert phase.text(4) == "answers and repairs 1/2"
    log.append(make_group(5, 2, group="s5q1"))
    assert phase.text(4) == "update"
    assert phase.text(5) == "answers and repairs 0/2"
