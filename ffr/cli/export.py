"""``ffr export``: a checkpoint of a run as a folder that transformers and vLLM load."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.shared import AsJson, print_json
from ffr.export.locate import Dtype, Stage

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Run folder.")],
    output: Annotated[Path, typer.Option(help="Folder to make.")],
    stage: Annotated[
        Stage | None, typer.Option(help="Default: grpo, or sft if that is all there is.")
    ] = None,
    step: Annotated[int | None, typer.Option(min=0, help="Default: the last checkpoint.")] = None,
    dtype: Annotated[Dtype | None, typer.Option(help="Default: the run's student.dtype.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export a checkpoint: safetensors, processor, model card, manifest; verified by loading."""
    from ffr.export.export import export_run

    made = export_run(run, output, stage=stage, step=step, dtype=dtype)
    if as_json:
        print_json(asdict(made))
        return
    lora = ", LoRA merged" if made.merged_lora else ""
    print(
        f"{made.folder}: {made.stage} step {made.step}, {made.parameters:,} parameters in "
        f"{made.dtype}{lora}, {made.size / 1e9:.2f} GB; loaded again and equal"
    )
