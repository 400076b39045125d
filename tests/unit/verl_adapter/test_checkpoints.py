"""Checkpoints are whole or do not count, whatever happened while they were written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from ffr.patches.files import StoreError
from ffr.train import checkpoints as module
from ffr.train.checkpoints import latest_step, make_room, prune, seal, step_folder


def write(folder: Path, step: int, *, whole: bool = True) -> None:
    shard = step_folder(folder, step) / "actor" / "model_world_size_1_rank_0.pt"
    shard.parent.mkdir(parents=True, exist_ok=True)
    shard.write_bytes(b"weights")
    if whole:
        seal(folder, step)


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.rpartition("_")[2]) for path in folder.iterdir())


def save(folder: Path, step: int, keep: int) -> list[int]:
    """What the trainer does; returns the steps that were there at the fullest."""
    make_room(folder, step, keep)
    write(folder, step, whole=False)
    fullest = steps(folder)
    seal(folder, step)
    prune(folder, keep)
    return fullest


def test_a_checkpoint_counts_once_it_is_sealed(tmp_path):
    assert latest_step(tmp_path / "absent") is None
    write(tmp_path, 2)
    write(tmp_path, 4, whole=False)  # killed, or the disk was full
    assert latest_step(tmp_path) == 2


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_ones_are_kept_over_all_launches(tmp_path, keep):
    """Nothing is remembered between the calls: each could be another launch."""
    for step in range(1, 7):
        fullest = save(tmp_path, step, keep)
        assert len(fullest) <= max(keep, 2)  # the disk must bear that many
        assert steps(tmp_path) == list(range(max(1, step - keep + 1), step + 1))
        assert latest_step(tmp_path) == step


def test_there_is_a_whole_one_at_every_moment(tmp_path):
    save(tmp_path, 1, 1)
    make_room(tmp_path, 2, 1)
    assert latest_step(tmp_path) == 1
    write(tmp_path, 2, whole=False)
    assert latest_step(tmp_path) == 1
    seal(tmp_path, 2)
    assert latest_step(tmp_path) == 2


def test_what_a_killed_launch_left_is_removed_with_the_next_one(tmp_path):
    save(tmp_path, 2, 2)
    write(tmp_path, 4, whole=False)
    save(tmp_path, 3, 2)
    assert steps(tmp_path) == [2, 3]


def test_a_step_that_is_made_again_is_not_whole_meanwhile(tmp_path):
    save(tmp_path, 2, 2)
    save(tmp_path, 4, 2)
    make_room(tmp_path, 4, 2)
    assert latest_step(tmp_path) == 2


def test_after_a_resume_from_an_older_step_the_newer_ones_are_the_past(tmp_path):
    for step in (2, 4, 6):
        save(tmp_path, step, 3)
    save(tmp_path, 3, 3)  # --resume .../global_step_2
    assert latest_step(tmp_path) == 3
    save(tmp_path, 4, 3)
    assert latest_step(tmp_path) == 4
    assert steps(tmp_path) == [3, 4, 6]


def test_half_removed_is_not_whole(tmp_path, monkeypatch):
    for step in (1, 2):
        save(tmp_path, step, 2)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        prune(tmp_path, 1)
    assert steps(tmp_path) == [1, 2]
    (step_folder(tmp_path, 2) / "whole.json").unlink()
    assert latest_step(tmp_path) is None


def test_a_marker_that_does_not_fit_on_the_disk_leaves_the_last_one(tmp_path, monkeypatch):
    save(tmp_path, 1, 2)
    write(tmp_path, 2, whole=False)

    def full(*_: object) -> None:
        raise StoreError.from_os_error("write", tmp_path, OSError(errno.ENOSPC, "no space"))

    monkeypatch.setattr(module, "write_atomic", full)
    with pytest.raises(StoreError, match="free space"):
        seal(tmp_path, 2)
    assert latest_step(tmp_path) == 1


def test_an_emptied_note_of_verls_does_not_matter(tmp_path):
    """verl empties its file before it writes it: on a full disk it stays empty."""
    note = tmp_path / "latest_checkpointed_iteration.txt"
    write(tmp_path, 2)
    for text in ("", "7"):
        note.write_text(text)
        assert latest_step(tmp_path) == 2


def test_runs_older_than_the_marker_go_by_verls_note_and_lose_nothing(tmp_path):
    for step in (1, 2):
        write(tmp_path, step, whole=False)
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("1")
    assert latest_step(tmp_path) == 1
    make_room(tmp_path, 3, 1)
    assert step_folder(tmp_path, 1).is_dir()
    for name in ("latest_checkpointed_iteration.txt",):
        (tmp_path / name).unlink()
    prune(tmp_path, 1)  # nothing says which are whole
    assert step_folder(tmp_path, 1).is_dir()
