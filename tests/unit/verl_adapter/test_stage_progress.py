"""Progress follows ``metrics.jsonl`` while others write it, some of them dying mid-line."""

import json

import pytest

from ffr.train.progress import StageProgress


@pytest.fixture
def metrics(tmp_path):
    return tmp_path / "metrics.jsonl"


def append(path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def line(step: int, stage: str = "grpo", **more: float) -> str:
    return json.dumps({"stage": stage, "step": step, **more}) + "\n"


def test_a_half_written_line_waits_for_its_end(metrics):
    progress = StageProgress("grpo", 10, metrics)
    progress.poll()  # the file does not exist yet
    append(metrics, line(1) + line(2)[:9])
    progress.poll()
    assert progress.step == 1
    append(metrics, line(2)[9:])
    progress.poll()
    assert progress.step == 2


def test_a_line_cut_across_a_character_is_read_whole(metrics):
    progress = StageProgress("grpo", 10, metrics)
    whole = json.dumps({"stage": "grpo", "step": 4, "note": "é"}, ensure_ascii=False).encode()
    cut = whole.index("é".encode()) + 1
    metrics.write_bytes(whole[:cut])
    progress.poll()
    with metrics.open("ab") as file:
        file.write(whole[cut:] + b"\n")
    progress.poll()
    assert progress.step == 4


@pytest.mark.parametrize(
    "torn", ['{"stage": "grpo", "st', "null", "[1, 2]", "3", "\x00\x00", '"x"']
)
def test_a_torn_line_of_a_killed_writer_is_passed_over(metrics, torn):
    progress = StageProgress("grpo", 10, metrics)
    append(metrics, line(1) + torn + "\n" + line(2))
    progress.poll()
    assert progress.step == 2


def test_lines_that_do_not_say_a_step_are_not_ours(metrics):
    progress = StageProgress("grpo", 10, metrics)
    no_step = '{"stage": "grpo", "step": null}\n{"stage": "grpo"}\n'
    append(metrics, line(1) + no_step + line(7, "sft"))
    progress.poll()
    assert progress.step == 1


def test_an_earlier_attempt_is_not_progress(metrics):
    append(metrics, line(5))
    progress = StageProgress("grpo", 10, metrics)
    before = progress.last_change
    progress.poll()
    assert progress.step == 0
    assert progress.last_change == before
    append(metrics, line(6))
    progress.poll()
    assert progress.step == 6
    assert progress.last_change > before


def test_a_torn_line_left_by_the_attempt_before_does_not_spoil_ours(metrics):
    """The next writer closes it with a line break, which we read as the rest of it."""
    append(metrics, line(5) + '{"stage": "gr')
    progress = StageProgress("grpo", 10, metrics)
    append(metrics, "\n" + line(6))
    progress.poll()
    assert progress.step == 6


def test_plain_lines_for_a_log(metrics, capsys):
    with StageProgress("grpo", 10, metrics) as progress:
        append(metrics, line(3, accuracy=0.5, seconds=1.25))
        progress.poll()
    said = capsys.readouterr().err
    assert "grpo: 3/10" in said
    assert "9 s left" in said  # seven steps of 1.25 s
    assert "accuracy 0.50" in said
    assert "1.2 s/step" in said


def test_phase_and_steps_of_earlier_launches(metrics, capsys):
    asked = []

    def phase(finished: int) -> str:
        asked.append(finished)
        return "update"

    with StageProgress("grpo", 10, metrics, phase, resumed=4) as progress:
        append(metrics, line(5))
        append(metrics, json.dumps({"stage": "grpo", "step": 5, "event": "checkpoint"}) + "\n")
        progress.poll()
    assert "grpo: 5/10" in capsys.readouterr().err
    assert asked[-1] == 5
    assert progress.step == 5
    with StageProgress("grpo", 10, metrics, phase, resumed=4) as progress:
        progress.poll()
        progress._plain()
    assert "grpo: 4/10" in capsys.readouterr().err
    assert progress.step == 0  # this launch has finished none
