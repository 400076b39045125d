"""Asking a stage to stop through a file that both see."""

from __future__ import annotations

import pytest

from ffr.train.stop import StopAsked, StopFlag


def test_what_one_process_asks_another_sees(tmp_path):
    launcher, trainer = StopFlag(tmp_path), StopFlag(tmp_path, look_every_s=0.0)
    assert not trainer.asked()  # no stage has begun
    launcher.clear()
    assert not trainer.asked()
    trainer.raise_if_asked()
    launcher.ask()
    assert trainer.asked()
    with pytest.raises(StopAsked):
        trainer.raise_if_asked()


def test_the_next_stage_does_not_inherit_it(tmp_path):
    flag = StopFlag(tmp_path)
    flag.clear()
    flag.ask()
    flag.clear()
    assert not StopFlag(tmp_path, look_every_s=0.0).asked()


def test_asking_takes_no_room_on_the_disk(tmp_path):
    flag = StopFlag(tmp_path)
    flag.clear()
    before = (tmp_path / "control").stat()
    flag.ask()
    after = (tmp_path / "control").stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)


def test_the_file_is_not_read_at_every_look(tmp_path):
    flag = StopFlag(tmp_path)
    flag.clear()
    assert not flag.asked()
    flag.ask()
    assert not flag.asked()  # looked less than a second ago
