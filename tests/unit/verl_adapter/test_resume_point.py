"""Where a stage goes on is said; what would train nothing or cannot be loaded is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffr.errors import UserError
from ffr.train.checkpoints import seal, step_folder
from ffr.train.resume import resume_from


def made(folder: Path, step: int, ranks: int = 1) -> Path:
    actor = step_folder(folder, step) / "actor"
    actor.mkdir(parents=True)
    for rank in range(ranks):
        (actor / f"model_world_size_{ranks}_rank_{rank}.pt").write_bytes(b"x")
    seal(folder, step)
    return step_folder(folder, step)


def test_without_a_checkpoint_it_begins(tmp_path, capsys):
    assert resume_from("grpo", tmp_path / "none", steps=6, ranks=1) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("how", ["auto", "never"])
def test_it_says_where_and_how_much_is_left(tmp_path, capsys, how):
    made(tmp_path, 2)
    last = made(tmp_path, 4)
    assert resume_from("grpo", tmp_path, steps=6, ranks=1, resume=how) == last
    assert capsys.readouterr().out == "grpo: resuming at step 4, 2 of 6 steps left\n"


def test_a_named_checkpoint_wins(tmp_path, capsys):
    chosen = made(tmp_path, 2)
    made(tmp_path, 4)
    assert resume_from("grpo", tmp_path, steps=6, ranks=1, resume=str(chosen)) == chosen
    assert "step 2, 4 of 6" in capsys.readouterr().out


def test_zero_steps_are_refused(tmp_path):
    done = made(tmp_path, 6)
    with pytest.raises(UserError, match=r"step 6 of 6: no step is left to train; raise grpo\.st"):
        resume_from("grpo", tmp_path, steps=6, ranks=1, resume=str(done))
    with pytest.raises(UserError, match=r"step 6, past grpo\.steps=5; raise grpo\.steps"):
        resume_from("grpo", tmp_path, steps=5, ranks=1)


@pytest.mark.parametrize("name", ["global_step_9", "actor", "global_step_x"])
def test_what_is_no_checkpoint_is_named(tmp_path, name):
    if name != "global_step_9":
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"{name} is no checkpoint; give a folder"):
        resume_from("grpo", tmp_path, steps=6, ranks=1, resume=str(tmp_path / name))


def test_another_number_of_ranks_is_refused_before_anything_starts(tmp_path):
    made(tmp_path, 2, ranks=2)
    assert resume_from("grpo", tmp_path, steps=6, ranks=2) is not None
    with pytest.raises(UserError, match=r"was written by 2 ranks, this run has 1 .*; use as many"):
        resume_from("grpo", tmp_path, steps=6, ranks=1)
