"""``ffr elect``: elected answers for one question, for a data set, or behind a proxy."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.config.elect import ElectConfig
from ffr.config.load import load_as
from ffr.data.load import load_questions
from ffr.data.question import AnswerType, AskedQuestion
from ffr.elect.ask import Asked, ask
from ffr.elect.dataset import elect_dataset
from ffr.elect.endpoint import ChatEndpoint, EndpointSource
from ffr.elect.local import LocalSource
from ffr.elect.sheet import cited_evidence, save_sheet
from ffr.elect.source import Source
from ffr.errors import UserError
from ffr.patches.files import write_atomic

__all__ = ["app"]


class _AskByDefault(TyperGroup):
    """A group whose first word may also be a video, a data set or a setting."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["ask", *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=_AskByDefault,
    no_args_is_help=True,
    subcommand_metavar="VIDEO QUESTION | DATASET.jsonl | serve",
    help="Elect an answer from several candidates: VIDEO QUESTION, DATASET.jsonl, or serve.",
)

_CONFIG_WORD = re.compile(rf"(?:{'|'.join(ElectConfig.model_fields)})(?:\.\w+)*=")

Endpoint = Annotated[
    str | None, typer.Option(metavar="URL", help="OpenAI-compatible server, e.g. http://host/v1.")
]
Model = Annotated[str | None, typer.Option(help="Name of the model at the endpoint.")]


@app.callback()
def _group() -> None:
    """Elect an answer from several candidates: VIDEO QUESTION, DATASET.jsonl, or serve."""


@app.command("ask")
def ask_command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[CONFIG.yaml...] VIDEO QUESTION|DATASET.jsonl [KEY=VALUE...]",
            help="Settings, then a video with a question, or a file of questions.",
        ),
    ],
    endpoint: Endpoint = None,
    model: Model = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Run this checkpoint folder here instead.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="An option of a multiple-choice question; repeat.")
    ] = None,
    answer_type: Annotated[
        str, typer.Option("--type", help="text, number, regression, ocr, free_form or span.")
    ] = "text",
    output: Annotated[
        Path | None, typer.Option(help="Folder for what is saved; default ffr-elect/NAME.")
    ] = None,
    media_root: Annotated[
        Path | None, typer.Option(help="Folder of a data set's videos; default: the file's.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same candidates.")] = None,
    as_json: AsJson = False,
) -> None:
    """Elect answers; the word ``ask`` may be left out."""
    given, overrides, rest = _sort_words(words)
    if endpoint is not None:
        overrides.append(f"endpoint.base_url={json.dumps(endpoint)}")
    if model is not None:
        overrides.append(f"endpoint.model={json.dumps(model)}")
    if checkpoint is not None:
        overrides.append(f"student.path={json.dumps(str(checkpoint))}")
    if seed is not None:
        overrides.append(f"seed={seed}")
    config = load_as(ElectConfig, given, overrides)
    if len(rest) == 1:
        _dataset(Path(rest[0]), config, output, media_root, limit, as_json=as_json)
        return
    if len(rest) != 2:
        raise UserError(
            f"give a video and one question, or one file of questions; got {len(rest)} words "
            f"({', '.join(map(repr, rest))}). Put a question with spaces in quotes"
        )
    _one(Path(rest[0]), rest[1], option or [], answer_type, config, output, as_json=as_json)


@app.command("serve")
def serve_command(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG.yaml...] [KEY=VALUE...]")
    ] = None,
    endpoint: Endpoint = None,
    model: Model = None,
    host: Annotated[
        str | None, typer.Option(help="Default 127.0.0.1; others need a key in FFR_ELECT_KEY.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Default 8377; 0 takes a free one.")] = None,
) -> None:
    """Serve elected answers as chat completions, in front of any endpoint."""
    from ffr.elect.proxy.serve import serve

    given, overrides, rest = _sort_words(words or [])
    if rest:
        raise UserError(f"{rest[0]!r} is neither a YAML file nor KEY=VALUE")
    options = {
        "endpoint.base_url": endpoint, "endpoint.model": model, "serve.host": host,
        "serve.port": port,
    }  # fmt: skip
    overrides += [f"{key}={json.dumps(v)}" for key, v in options.items() if v is not None]
    config = load_as(ElectConfig, given, overrides)

    def ready(base_url: str) -> None:
        print(f"listening on {base_url}", flush=True)

    serve(config, ready)


def _sort_words(words: list[str]) -> tuple[list[Path], list[str], list[str]]:
    """YAML files, settings, and what is asked."""
    files = [w for w in words if w.endswith((".yaml", ".yml"))]
    settings = [w for w in words if w not in files and _CONFIG_WORD.match(w)]
    rest = [w for w in words if w not in files and w not in settings]
    return [Path(w) for w in files], settings, rest


def _source(config: ElectConfig) -> Source:
    if config.student is not None:
        if config.endpoint.base_url is not None:
            raise UserError("both a checkpoint and an endpoint are given; leave one of them out")
        return LocalSource.load(config)
    return EndpointSource(ChatEndpoint(config.endpoint), config.evidence)


def _one(
    video: Path, question: str, options: list[str], kind: str, config: ElectConfig,
    output: Path | None, *, as_json: bool,
) -> None:  # fmt: skip
    real = video.expanduser().resolve()
    asked = AskedQuestion(
        id="question", video=real.name, question=_not_blank(question), options=tuple(options),
        answer_type=_answer_type(kind, options),
    )  # fmt: skip

    async def run() -> Asked:
        source = _source(config)
        try:
            return await ask(asked, real.parent, source, config)
        finally:
            await source.aclose()

    held = asyncio.run(run())
    record = held.record
    if record.status == "failed":
        raise UserError(f"the model gave no response: {record.candidates[0].detail}")
    folder = output or Path("ffr-elect") / video.stem
    write_atomic(folder / "election.json", record.model_dump_json(indent=2).encode() + b"\n")
    sheet = None
    if record.cited:
        sheet = folder / "contact_sheet.png"
        save_sheet(cited_evidence(real, held.video, held.scale, record.cited), sheet)
    if as_json:
        shown = None if sheet is None else str(sheet)
        print_json({**record.model_dump(mode="json"), "contact_sheet": shown})
    else:
        _print(held, sheet, folder / "election.json")
    if record.status == "no_answer":
        raise typer.Exit(1)


def _print(held: Asked, sheet: Path | None, saved: Path) -> None:
    record = held.record
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if record.answer is None:
        console.print(f"no answer: none of {record.generated} candidates could be counted")
        for c in record.candidates:
            console.print(f"  {c.view}: {c.reason} ({c.detail}): {_short(c.text)}")
    else:
        console.print(f"answer: {record.answer}")
    for vote in record.votes:
        backers = ", ".join(map(str, vote.supporters))
        console.print(
            f"  {vote.share:6.1%}  {vote.votes:.3f}  {_short(vote.answer)}  (candidates {backers})"
        )
    if record.answer is not None:
        stop = "stopped early" if record.stopped_early else "budget used up"
        invalid = sum(c.reason is not None for c in record.candidates)
        console.print(
            f"{record.generated} candidates ({stop}), {invalid} invalid, {len(record.dropped)} "
            f"dropped; margin {record.margin:.3f}, confidence {record.confidence:.2f}"
        )
    if record.referee is not None:
        r = record.referee
        did = "overturned the first winner" if r.overturned else "let it stand"
        verdict = f"{r.r:.2f}" if r.readable else "gave no readable verdict"
        console.print(f"referee ({r.by}): {verdict}, {did}")
    name = "frame" if held.scale.count == len(held.video.frames) else "frame group"
    for cited in record.cited:
        when = "" if cited.t_s is None else f" at {cited.t_s:.2f} s"
        console.print(f"cited: {name} {cited.unit}{when} (weight {cited.weight:.3f})")
    if record.answer is not None and not record.cited:
        console.print("cited: nothing, so there is no contact sheet")
    if sheet is not None:
        console.print(f"contact sheet: {sheet}")
    console.print(f"record: {saved}")


def _dataset(
    path: Path, config: ElectConfig, output: Path | None, media_root: Path | None,
    limit: int | None, *, as_json: bool,
) -> None:  # fmt: skip
    questions = load_questions(path, media_root, check_media=False).questions[:limit]
    folder = output or Path("ffr-elect") / path.stem

    async def run() -> dict[str, Any]:
        source = _source(config)
        try:
            with progress_bar("elections") as show:
                return await elect_dataset(
                    questions, media_root or path.parent, source, config, folder, show
                )
        finally:
            await source.aclose()

    summary = asyncio.run(run())
    if as_json:
        print_json(summary)
        return
    accuracy = summary["accuracy"]
    shown = "none held" if accuracy is None else f"{accuracy:.3f}"
    counts = ", ".join(f"{n} {status}" for status, n in summary["status"].items())
    candidates, referee = summary["candidates"], summary["referee"]
    print(f"accuracy {shown}; {counts}")
    if candidates["mean"] is not None:
        print(
            f"{candidates['mean']:.2f} candidates a question, "
            f"{candidates['early_stop_share']:.0%} stopped early, "
            f"{candidates['invalid_share']:.1%} invalid"
        )
    print(f"referee asked {referee['asked']} times, overturned {referee['overturned']}")
    print(f"saved in {folder}")


def _answer_type(kind: str, options: list[str]) -> AnswerType:
    known: dict[str, AnswerType] = {
        "text": "text", "number": "number", "regression": "regression", "ocr": "ocr",
        "free_form": "free_form", "span": "span",
    }  # fmt: skip
    if options:
        if not 2 <= len(options) <= 26:
            raise UserError(f"{len(options)} options are not allowed; give --option 2 to 26 times")
        return "choice"
    if kind not in known:
        raise UserError(f"--type {kind!r} is not allowed; give one of {', '.join(known)}")
    return known[kind]


def _not_blank(question: str) -> str:
    if not question.strip():
        raise UserError("the question is empty; write it in quotes behind the video")
    return question


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:97] + "..."
