"""`ffr launch` as a shell would call it."""

import json
import sys
from pathlib import Path

import pytest

from ffr.cli.main import main

PRESET = str(Path(__file__).parents[3] / "configs" / "ffr_qwen3_vl_8b.yaml")


@pytest.fixture
def launch(monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ffr", "launch", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


def test_a_dry_run_writes_and_submits_nothing(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    code, out, _ = launch("slurm", PRESET, "--dry-run", "--json", "--output", "/shared/run")
    assert code == 0
    told = json.loads(out)
    assert told["submitted"] is False
    assert told["submit"] == ["sbatch", str(tmp_path / "launches/ffr_qwen3_vl_8b/job.sbatch")]
    assert all(Path(file).is_file() for file in told["files"])
    config = (tmp_path / "launches/ffr_qwen3_vl_8b/config.yaml").read_text()
    assert "output: /shared/run\n" in config
    assert f"cd {tmp_path}\n" in (tmp_path / "launches/ffr_qwen3_vl_8b/job.sbatch").read_text()


def test_without_the_clusters_command_the_fix_is_named(launch, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    code, _, err = launch("slurm", PRESET)
    assert code == 2
    assert "login node" in err
    assert (tmp_path / "launches/ffr_qwen3_vl_8b/job.sbatch").is_file()


@pytest.mark.parametrize("code", [0, 3])
def test_what_was_shown_is_submitted_and_its_exit_code_kept(launch, tmp_path, monkeypatch, code):
    programs = tmp_path / "bin"
    programs.mkdir()
    body = f'#!/bin/sh\necho "got $1" "$PATH" > {tmp_path}/got\necho Submitted\nexit {code}\n'
    (programs / "sbatch").write_text(body)
    (programs / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    found, out, _ = launch("slurm", PRESET, "--folder", "here")
    assert found == code
    assert out.splitlines()[-2:] == [f"sbatch {tmp_path}/here/job.sbatch", "Submitted"]
    got = (tmp_path / "got").read_text()
    assert got.startswith(f"got {tmp_path}/here/job.sbatch {Path(sys.executable).parent}:")


def test_awaiting_a_teacher_that_is_not_there(launch):
    code, _, err = launch(
        "await-teacher", PRESET, "teacher.base_url=http://127.0.0.1:9/v1", "--wait-s", "0"
    )
    assert code == 2
    assert "gave no answer within 0 s" in err
