"""``ffr eval``: a checkpoint or an endpoint under a protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ffr.cli.data_shared import MediaRoot, OnBadRow, policy_of
from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.errors import UserError

if TYPE_CHECKING:
    from ffr.evaluate.open_model import OpenModel
    from ffr.evaluate.run import Evaluation

__all__ = ["TableStyle", "evaluate"]

TableStyle = Annotated[
    Literal["text", "markdown", "latex"], typer.Option("--table", help="Form of the table.")
]


def evaluate(
    data: Annotated[Path, typer.Option(help="JSONL file of questions.")],
    protocol: Annotated[
        str, typer.Option(help="YAML file, or a shipped one: video16, video32, video64, ...")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make, or one to go on with.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE...]", help="Changes to the protocol."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Checkpoint folder; with --endpoint the model's name there.")
    ] = "",
    endpoint: Annotated[
        str, typer.Option(metavar="URL", help="OpenAI-compatible server, e.g. http://host/v1.")
    ] = "",
    media_root: MediaRoot = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions.")] = None,
    on_bad_row: OnBadRow = "fail",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Checkpoint: questions generated together.")
    ] = 16,
    device: Annotated[str, typer.Option(help="Checkpoint: default cuda if there is one.")] = "",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="Checkpoint: of the weights.")
    ] = "auto",
    attention: Annotated[
        Literal["sdpa", "flash_attention_2", "eager"], typer.Option(help="Checkpoint: its kernel.")
    ] = "sdpa",
    concurrency: Annotated[
        int, typer.Option(min=1, help="Endpoint: questions under way.")
    ] = 16,
    attempts: Annotated[
        int, typer.Option(min=1, max=20, help="Endpoint: calls per question before it fails.")
    ] = 3,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Endpoint: of one call.")] = 120.0,
    api_key_env: Annotated[
        str, typer.Option(help="Endpoint: environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask failed questions once more.")
    ] = False,
    style: TableStyle = "text",
    as_json: AsJson = False,
) -> None:
    """Evaluate a model; killed and started again it goes on, and gives the same file."""
    from ffr.config.elect import EndpointConfig
    from ffr.data.load import load_questions
    from ffr.evaluate.protocol import load_protocol
    from ffr.evaluate.run import Evaluation, run_evaluation
    from ffr.evaluate.tables import render, score_table

    if not model:
        raise UserError("give --model CHECKPOINT, or --endpoint URL --model NAME")
    loaded = load_questions(data, media_root, policy_of(on_bad_row), check_media=False)
    job = Evaluation(
        protocol=load_protocol(protocol, settings or []), questions=loaded.questions[:limit],
        data=data, media_root=media_root or data.parent, out=out, identity={}, execution={},
        left_out=len(loaded.skipped), retry_failed=retry_failed,
    )  # fmt: skip
    if endpoint:
        config = EndpointConfig(
            base_url=endpoint, model=model, api_key_env=api_key_env, timeout_s=timeout_s,
            concurrency=max(concurrency, 8),
        )  # fmt: skip
        job, open_model = _endpoint(job, config, concurrency, attempts)
    else:
        job, open_model = _checkpoint(job, Path(model), batch_size, device, dtype, attention)
    with progress_bar("evaluation") as show:
        scores = run_evaluation(job, open_model, show)
    if as_json:
        print_json(scores)
        return
    title = f"{scores['model']}, protocol {scores['protocol']}, {data.name}"
    print(render(*score_table(scores), style, title), end="")
    if style == "text":
        for kind, count in scores["failed"].items():
            print(f"{count} items failed ({kind}); the reasons are in {out / 'items.jsonl'}")
        print(f"saved in {out}")


Opened = tuple["Evaluation", Callable[[], "OpenModel"]]


def _endpoint(job: Evaluation, config: Any, concurrency: int, attempts: int) -> Opened:
    from ffr.evaluate.manifest import endpoint_identity
    from ffr.evaluate.open_model import open_endpoint

    identity = endpoint_identity(config.base_url, config.model)
    return replace(job, identity=identity, at_once=concurrency), lambda: open_endpoint(
        job.protocol, config, job.media_root, attempts=attempts
    )


def _checkpoint(
    job: Evaluation, folder: Path, batch_size: int, device: str,
    dtype: Literal["auto", "float32", "bfloat16"], attention: str,
) -> Opened:  # fmt: skip
    from ffr.evaluate.manifest import checkpoint_identity

    identity = checkpoint_identity(folder)
    try:
        from ffr.evaluate.checkpoint import default_device, open_checkpoint, stored_dtype
    except ImportError as error:
        raise UserError(
            f"evaluating a checkpoint needs the extra 'train' ({error}); install it, or give an "
            "endpoint with --endpoint"
        ) from error
    device = device or default_device()
    chosen = stored_dtype(folder) if dtype == "auto" else dtype
    size = 1 if job.protocol.election is not None else batch_size
    execution = {
        "batch_size": size, "device": device.partition(":")[0], "dtype": chosen,
        "attention": attention,
    }  # fmt: skip
    job = replace(job, identity=identity, execution=execution, batch_size=size, at_once=2)
    return job, lambda: open_checkpoint(
        job.protocol, folder, job.media_root, batch_size=max(size, 64), device=device,
        dtype=chosen, attention=attention,
    )  # fmt: skip
