"""What a score depends on: protocol, data, model, machine settings, versions, seeds."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ffr
from ffr.config.protocol import EvalProtocol
from ffr.data.digest import dataset_sha256
from ffr.data.manifest import data_record
from ffr.data.question import Question
from ffr.errors import UserError
from ffr.evaluate.protocol import protocol_content, protocol_hash
from ffr.run.manifest import file_hash, git_commit, package_versions

__all__ = ["checkpoint_identity", "endpoint_identity", "evaluation_manifest"]

_WEIGHTS = {".safetensors", ".bin"}
_NO_NAMES = {"actor", "huggingface"}  # verl's folders below a step
_SETTINGS = {".json", ".jinja", ".txt", ".model"}


def evaluation_manifest(
    protocol: EvalProtocol,
    questions: Sequence[Question],
    data: Path,
    model: Mapping[str, Any],
    execution: Mapping[str, Any],
    left_out: int = 0,
) -> dict[str, Any]:
    """The manifest of one evaluation.

    Args:
        protocol: how.
        questions: the ones that are asked, in order.
        data: the file they come from; its own manifest is verified.
        model: ``checkpoint_identity`` or ``endpoint_identity``.
        execution: settings of the machine that can change rounding, such as batch size and dtype.
        left_out: bad rows of the file that were skipped.

    Returns:
        ``identity`` (equal for evaluations that must give equal items), ``launch`` (versions and
        commit) and the rest.

    Raises:
        UserError: the data file was changed after its manifest was written.
    """
    judge = protocol.judge
    # Where a model lies is not what it is; a checkpoint's name is only that of its folder.
    elsewhere = {"base_url", "path"} | ({"name"} if model["kind"] == "checkpoint" else set())
    return {
        "schema_version": 1,
        "identity": {
            "protocol_sha256": protocol_hash(protocol),
            "protocol": protocol_content(protocol),
            "metrics": {
                "names": list(protocol.metrics),
                "citation_tolerance_s": protocol.citation_tolerance_s,
                "judge": None if judge is None else {
                    "model": judge.model, "temperature": judge.temperature,
                },
            },
            "data_sha256": dataset_sha256(questions),
            "items": len(questions),
            "model": {k: v for k, v in model.items() if k not in elsewhere},
            "execution": dict(execution),
        },
        "protocol_name": protocol.name,
        "model": dict(model),
        "data": {**data_record(data), "asked": len(questions), "left_out": left_out},
        "seeds": {"sampling": protocol.sampling.seed},
        "launch": {
            "versions": package_versions(),
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "git": git_commit(Path(ffr.__file__).parent),
        },
    }  # fmt: skip


def checkpoint_identity(folder: Path) -> dict[str, Any]:
    """A checkpoint folder by the bytes of its weights, and of everything beside them.

    Raises:
        UserError: it is no folder with a ``config.json`` and weights, or cannot be read.
    """
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} holds no config.json; give the folder of a Hugging Face checkpoint "
            "(evaluation downloads nothing), or an endpoint with --endpoint"
        )
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    weights = [p for p in files if p.suffix in _WEIGHTS]
    if not weights:
        raise UserError(f"{folder} holds no weights (.safetensors, .bin); give a whole checkpoint")
    settings = [p for p in files if p.suffix in _SETTINGS]
    return {
        "kind": "checkpoint",
        "name": _name(folder.resolve()),
        "path": str(folder),
        "weights_sha256": _folder_hash(folder, weights),
        "settings_sha256": _folder_hash(folder, settings),
    }


def endpoint_identity(base_url: str | None, model: str) -> dict[str, Any]:
    """A model behind an endpoint: the name it goes by there, and where that is."""
    parts = urlsplit(base_url or "")
    where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return {"kind": "endpoint", "name": model, "base_url": where}


def _name(folder: Path) -> str:
    """``grpo/global_step_60`` for a run's checkpoints, else the folder's own name."""
    while folder.name in _NO_NAMES and folder.parent.name:
        folder = folder.parent
    return "/".join(folder.parts[-2:]) if folder.name.startswith("global_step_") else folder.name


def _folder_hash(folder: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{file_hash(path)} {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()
