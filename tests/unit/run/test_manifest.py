"""The manifest names what a number depends on."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from ffr.config.load import dump_config
from ffr.config.schema import RunConfig
from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError
from ffr.run.manifest import build_manifest, file_hash, git_commit, write_manifest

CONFIG = RunConfig.model_validate(
    {"student": {"path": "m"}, "seed": 7, "teacher": {"kind": "none"}}
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True,
        check=True,
    )
    return done.stdout.strip()


def test_manifest_of_a_run(tmp_path: Path) -> None:
    data = tmp_path / "test.jsonl"
    data.write_text('{"id": 1}\n')
    folder = RunFolder.create(tmp_path / "run", dump_config(CONFIG))
    with folder.lock():
        write_manifest(folder, CONFIG, data, hashes={"teacher_prompt": "abc"})
    found = json.loads(folder.manifest_path.read_text())
    assert found["attempt"] == 1
    assert found["seeds"]["run"] == 7
    assert found["frames"]["count"] == 16
    assert found["hashes"]["dataset"] == hashlib.sha256(data.read_bytes()).hexdigest()
    assert found["hashes"]["teacher_prompt"] == "abc"
    assert len(found["hashes"]["student_prompt"]) == 64
    assert {"ffr", "numpy", "pydantic"} <= set(found["versions"])
    with folder.lock():
        write_manifest(folder, CONFIG, data, hashes={"teacher_prompt": "abc"})
    assert not (folder.path / "manifest.1.json").exists()
    with folder.lock():
        write_manifest(folder, CONFIG, data, hashes={"teacher_prompt": "xyz"})
    kept = json.loads((folder.path / "manifest.2.json").read_text())
    assert kept["hashes"]["teacher_prompt"] == "abc"


def test_hashes_follow_what_they_stand_for() -> None:
    compact = RunConfig.model_validate(
        {"student": {"path": "m", "prompt": {"style": "compact"}}, "teacher": {"kind": "openai"}}
    )
    one, two = build_manifest(CONFIG, None)["hashes"], build_manifest(compact, None)["hashes"]
    assert one["student_prompt"] != two["student_prompt"]
    assert one["config"] != two["config"]
    assert one["tools"] == {}
    assert sorted(two["tools"]) == ["clip", "timestamp", "zoom"]
    assert one["dataset"] is None


def test_missing_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"cannot read .*gone\.jsonl"):
        file_hash(tmp_path / "gone.jsonl")


def test_commit_only_where_the_code_is_tracked(tmp_path: Path) -> None:
    package = tmp_path / "tree" / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    assert git_commit(package) is None
    git(tmp_path / "tree", "init", "-q")
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "empty")
    assert git_commit(package) is None  # installed inside a foreign tree
    git(tmp_path / "tree", "add", "pkg")
    git(tmp_path / "tree", "commit", "-q", "-m", "one")
    head = git(tmp_path / "tree", "rev-parse", "HEAD")
    assert git_commit(package) == {"commit": head, "dirty": False}
    (package / "__init__.py").write_text("x = 1\n")
    assert git_commit(package) == {"commit": head, "dirty": True}
