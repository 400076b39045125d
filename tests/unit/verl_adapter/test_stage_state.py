"""``stages.json``: what a relaunch knows."""

import errno
import json

import pytest

from ffr.patches.files import StoreError
from ffr.train.stage_state import StageState


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stages.json"


def test_a_new_run_knows_nothing(path):
    state = StageState(path)
    assert state.stages == {}
    assert state.seconds == 0.0
    assert state.finished("sft") is None
    assert not path.exists()


def test_attempts_add_up_and_the_last_one_finishes(path):
    state = StageState(path)
    state.record("grpo", seconds=5.0, steps=3, done=False)
    again = StageState(path)
    assert again.finished("grpo") is None
    again.record("grpo", seconds=2.0, steps=8, done=False)
    again.record("grpo", seconds=0.0, steps=8, done=True, model="m")
    again.add_seconds(7.5)
    last = StageState(path)
    assert last.finished("grpo") == {"seconds": 7.0, "steps": 8, "done": True, "model": "m"}
    assert last.seconds == 7.5


def test_an_attempt_that_dies_before_its_first_step_takes_no_step_back(path):
    StageState(path).record("grpo", seconds=5.0, steps=3, done=False)
    StageState(path).record("grpo", seconds=1.0, steps=0, done=False)
    assert StageState(path).stages["grpo"]["steps"] == 3


def test_a_crash_between_two_writes_leaves_the_earlier_one(path, monkeypatch):
    state = StageState(path)
    state.record("sft", seconds=1.0, steps=4, done=True, model="m")
    before = path.read_bytes()

    def full_disk(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ffr.patches.files.os.fsync", full_disk)
    with pytest.raises(StoreError, match="free space"):
        state.record("grpo", seconds=9.0, steps=2, done=False)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert StageState(path).finished("sft")["model"] == "m"
    assert StageState(path).finished("grpo") is None


def test_a_torn_temporary_file_is_ignored(path):
    StageState(path).record("sft", seconds=1.0, steps=4, done=True, model="m")
    path.with_name(".stages.json.host.1.abc.tmp").write_text('{"seconds": 1, "sta')
    assert StageState(path).finished("sft")["steps"] == 4
    json.loads(path.read_text())
