"""From a run folder to a folder to publish: weights, processor, card, manifest."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffr.config.load import load_config
from ffr.export.card import model_card
from ffr.export.locate import Dtype, ExportError, Stage, find_checkpoint
from ffr.export.weights import write_weights
from ffr.run.folder import RunFolder
from ffr.run.jsonl import RunFolderError
from ffr.run.summary import Summary, read_summary

__all__ = ["Exported", "export_run"]


@dataclass(frozen=True)
class Exported:
    """What was exported; ``size`` in bytes, ``digest`` as in ``ffr.export.weights``."""

    folder: str
    stage: Stage
    step: int
    dtype: str
    parameters: int
    size: int
    digest: str
    merged_lora: bool


def export_run(
    run: Path, output: Path, *, stage: Stage | None = None, step: int | None = None,
    dtype: Dtype | None = None,
) -> Exported:
    """Export one checkpoint of a run; the folder appears complete and verified, or not at all.

    The run's configuration is not copied: it names folders and hosts. What its numbers depend on
    is in the manifest, what matters of the method in the card.

    Args:
        run: a run folder; the run may still be going.
        output: a folder that does not exist or is empty.
        stage: default: ``grpo`` if it has a checkpoint, else ``sft``.
        step: default: the last checkpoint that was written completely.
        dtype: of the weights; default: ``student.dtype`` of the run.

    Raises:
        UserError: no such run or checkpoint, something in the way, a full disk, or weights that
            do not load.
    """
    folder = RunFolder.open(run)
    checkpoint = find_checkpoint(folder.path, stage, step)
    config = load_config([folder.config_path])
    wanted: Dtype = dtype or config.student.dtype
    target = output.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{target} is not empty; choose another --output or remove it")
    work = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        work.mkdir(parents=True)
        written = write_weights(checkpoint, work, wanted)
        architecture = json.loads((work / "config.json").read_bytes())["architectures"][0]
        summary: Summary | None = None
        with contextlib.suppress(RunFolderError):  # the run has not ended once
            summary = read_summary(folder.path)
        card = model_card(
            config, summary, stage=checkpoint.stage, step=checkpoint.step,
            parameters=written.parameters, dtype=wanted, architecture=architecture,
            merged_lora=written.merged_lora,
        )  # fmt: skip
        (work / "README.md").write_text(card, encoding="utf-8")
        manifest = _manifest(folder)
        manifest["export"] = {
            "stage": checkpoint.stage, "step": checkpoint.step, "dtype": wanted,
            "parameters": written.parameters, "weights_sha256": written.digest,
            "merged_lora": written.merged_lora,
        }  # fmt: skip
        (work / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        readable = (work / "README.md").stat().st_mode  # the weights come readable by us alone
        size = 0
        for file in work.iterdir():
            file.chmod(readable)
            size += file.stat().st_size
        work.replace(target)
    except OSError as error:
        raise ExportError(
            f"cannot write {target}: {error.strerror or error}; free space there or choose "
            "another --output"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Exported(
        str(target), checkpoint.stage, checkpoint.step, wanted, written.parameters, size,
        written.digest, written.merged_lora,
    )  # fmt: skip


def _manifest(folder: RunFolder) -> dict[str, Any]:
    try:
        found = json.loads(folder.manifest_path.read_bytes())
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{folder.manifest_path} cannot be read ({type(error).__name__}); without it nobody "
            "knows what these weights are: continue the run, which writes it again"
        ) from error
    if not isinstance(found, dict):
        raise ExportError(f"{folder.manifest_path} is no JSON object; continue the run")
    return found
