"""Run folders: made, continued, refused; every refusal is one readable line."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from ffr.config.load import dump_config, load_config
from ffr.config.schema import RunConfig
from ffr.errors import UserError
from ffr.run import jsonl
from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError, append_line, read_lines, strict
from ffr.run.same_config import changed_keys, may_change

CONFIG = RunConfig.model_validate({"student": {"path": "model"}})
TEXT = dump_config(CONFIG)


def with_changes(**grpo: Any) -> str:
    return dump_config(
        RunConfig.model_validate({"student": {"path": "model"}, "grpo": grpo})
    )


def test_create_then_continue(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "runs" / "a", TEXT)
    assert load_config([folder.config_path]) == CONFIG
    assert {p.name for p in folder.path.iterdir() if p.is_dir()} >= {
        "rollouts", "patches", "media", "checkpoints"
    }
    again = RunFolder.create(tmp_path / "runs" / "a", TEXT)
    assert again.path == folder.path == RunFolder.open(folder.path).path


def test_empty_folder_is_adopted_and_foreign_is_not(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    RunFolder.create(empty, TEXT)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("dear")
    with pytest.raises(RunFolderError, match=r"not empty and not a run folder; choose another"):
        RunFolder.create(foreign, TEXT)
    assert [p.name for p in foreign.iterdir()] == ["thesis.tex"]
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder.create(file, TEXT)
    with pytest.raises(RunFolderError, match="is not a run folder"):
        RunFolder.open(foreign)


def test_killed_between_marker_and_config_is_continued(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", TEXT)
    folder.config_path.unlink()
    assert RunFolder.create(tmp_path / "a", TEXT, resume="never").config_path.exists()


def test_never_refuses_a_folder_with_a_run(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "a", TEXT, resume="never")
    with pytest.raises(UserError, match="already holds a run"):
        RunFolder.create(tmp_path / "a", TEXT, resume="never")


def test_another_configuration_is_refused_by_key(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", TEXT)
    with pytest.raises(RunFolderError, match=r"grpo\.lr=5e-06.*grpo\.lr=0\.001"):
        RunFolder.create(tmp_path / "a", with_changes(lr=1e-3))
    assert folder.config_path.read_text() == TEXT
    longer = with_changes(steps=2000)
    RunFolder.create(tmp_path / "a", longer)
    assert folder.config_path.read_text() == longer
    events, _ = read_lines(folder.events_path)
    assert events[0]["event"] == "config_changed"
    assert events[0]["keys"] == {"grpo.steps": [1000, 2000]}


def test_what_may_change() -> None:
    assert may_change("hardware.threads")
    assert may_change("grpo.steps")
    assert not may_change("grpo.steps_per_epoch")
    assert not may_change("reward.kappa")
    assert changed_keys("a: {b: 1}\n", "a: {b: 1, c: 2}\n") == {"a.c": ("nothing", 2)}


def test_only_one_run_owns_a_folder_and_launches_are_counted(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", TEXT)
    assert folder.attempt == 0
    with folder.lock():
        assert RunFolder.open(folder.path).attempt == 1
        with (
            pytest.raises(RunFolderError, match=f"in use by another run.*{os.getpid()}"),
            RunFolder.open(folder.path).lock(),
        ):
            pass
        assert folder.attempt == 1
    with folder.lock():
        assert folder.attempt == 2


def test_no_permission_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(RunFolderError, match="Permission denied; give yourself write permission"):
        RunFolder.create(tmp_path / "b" / "c", TEXT)


def test_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.jsonl"
    append_line(path, {"a": 1})
    real = os.write
    calls = 0

    def full(descriptor: int, data: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return real(descriptor, bytes(data)[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jsonl.os, "write", full)
    with pytest.raises(RunFolderError, match="No space left on device; free space"):
        append_line(path, {"b": 2})
    monkeypatch.undo()
    assert path.read_bytes() == b'{"a":1}\n'


def test_torn_line_is_closed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":')
    append_line(path, {"c": 3})
    assert read_lines(path) == ([{"a": 1}, {"c": 3}], 1)
    assert read_lines(tmp_path / "none.jsonl") == ([], 0)
    path.write_bytes(b"[1]\n\xff\n" + b"[" * 100_000)
    assert read_lines(path) == ([], 3)


def test_non_finite_numbers_become_null_and_are_counted(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", TEXT)
    line = {"loss": math.nan, "deep": [1.5, {"x": -math.inf}], "text": "nan \ud800 \u2028"}
    assert folder.append_metrics(line) == 2
    (read,), bad = read_lines(folder.metrics_path)
    assert bad == 0
    assert (read["loss"], read["deep"], read["non_finite"]) == (None, [1.5, {"x": None}], 2)
    assert read["text"] == line["text"]
    folder.write_json("x.json", {"v": math.inf, "é": 1})
    assert json.loads((folder.path / "x.json").read_bytes()) == {"v": None, "é": 1}
    with pytest.raises(TypeError, match="set"):
        strict({1})


def _writer(path: str, number: int) -> None:
    for i in range(50):
        append_line(Path(path), {"who": number, "i": i, "pad": "x" * 3000})


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_writer, args=(str(path), n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    lines, bad = read_lines(path)
    assert bad == 0
    assert sorted((line["who"], line["i"]) for line in lines) == sorted(
        (n, i) for n in range(3) for i in range(50)
    )
