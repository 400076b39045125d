"""``ffr tools``: look at the teacher's tools, try them on a video, serve them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ffr.cli.shared import AsJson, print_json
from ffr.cli.tools_report import save_report
from ffr.errors import UserError
from teacher_tools.export.schemas import verl_tool_config
from teacher_tools.export.videos import VideoShelf
from teacher_tools.media import content_id, resolve_media
from teacher_tools.runner import ToolResult, ToolRunner
from teacher_tools.schema import in_words
from teacher_tools.toolset import Toolset, load_toolset

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Look at the teacher's tools, try them on a video, serve them."
)

ToolFiles = Annotated[
    list[Path] | None, typer.Option("--tools", help="Python file that defines more tools.")
]


@app.command("list")
def list_tools(tools: ToolFiles = None, as_json: AsJson = False) -> None:
    """List the tools, where they come from, and their arguments."""
    toolset = load_toolset(files=tools or ())
    if as_json:
        print_json(
            [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "origin": toolset.origin(tool.name).by,
                    "version": tool.version,
                    "hash": tool.hash,
                    "budget": dataclasses.asdict(tool.budget),
                    "parameters": tool.parameters.json_schema,
                }
                for tool in toolset
            ]
        )
        return
    table = Table("tool", "origin", "arguments", "what it does")
    for tool in toolset:
        arguments = "\n".join(
            f"{name}: {in_words(schema)}"
            for name, schema in tool.parameters.json_schema["properties"].items()
        )
        summary = tool.description.splitlines()[0]
        cells = (tool.name, toolset.origin(tool.name).by, arguments, summary)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


@app.command("schema")
def show_schema(
    names: Annotated[list[str] | None, typer.Argument(help="Only these tools.")] = None,
    tools: ToolFiles = None,
    style: Annotated[
        Literal["openai", "verl"],
        typer.Option("--format", help="openai: function definitions; verl: a tool_config_path."),
    ] = "openai",
    root: Annotated[
        Path | None, typer.Option(help="Folder of the videos; needed for verl.")
    ] = None,
) -> None:
    """Print the tools as OpenAI function definitions (JSON), or as verl's tool file (YAML)."""
    toolset = load_toolset(names or None, tools or ())
    if style == "openai":
        print_json(toolset.openai_schemas())
        return
    if root is None:
        raise UserError("verl's tools need the folder of the videos; add --root FOLDER")
    config = verl_tool_config(toolset, root, files=tools or ())
    typer.echo(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), nl=False)


@app.command("try")
def try_tool(
    name: Annotated[str, typer.Argument(help="The tool, for example clip.")],
    video: Annotated[Path, typer.Argument(help="A video file.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="key=value, for example start_s=3 box=0,0,0.5,0.5")
    ] = None,
    tools: ToolFiles = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pictures; default ffr-tools/VIDEO-TOOL.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one tool on one video as a teacher would, and save what it shows."""
    toolset = load_toolset(files=tools or ())
    real = video.expanduser().resolve()
    path = resolve_media(real.name, real.parent)
    result = _run(toolset, name, _arguments(arguments or []), path)
    assert result.evidence is not None
    folder = out or Path("ffr-tools") / f"{video.stem}-{name}"
    report = save_report(result, result.evidence, folder)
    tool = toolset.get(name)
    assert tool is not None
    report["key"] = tool.call_key(content_id(path), result.arguments)
    if as_json:
        print_json(report)
        return
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(report["text"])
    for frame in report["frames"]:
        box = "" if frame["box"] is None else f" box={[round(v, 3) for v in frame['box']]}"
        console.print(f"t={frame['t_s']:.3f}s pts={frame['pts']}{box} {frame['path']}")
    if report["contact_sheet"]:
        console.print(f"contact sheet: {report['contact_sheet']}")


@app.command("serve")
def serve(
    root: Annotated[Path, typer.Argument(help="Folder of the videos; nothing else is read.")],
    only: Annotated[list[str] | None, typer.Option(help="Offer only this tool.")] = None,
    tools: ToolFiles = None,
    name: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: a telling name for a video below ROOT.")
    ] = None,
    http: Annotated[
        int | None, typer.Option(help="Serve over HTTP at this port of this machine; 0 picks one.")
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Print which name means which file, and end.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Most calls at once.")] = 2,
) -> None:
    """Serve the tools to MCP clients, over standard input and output unless --http is given."""
    toolset = load_toolset(only or None, tools or ())
    shelf = VideoShelf(root, dict(_pair(word, "bunny=films/bunny.mp4") for word in name or ()))
    if names:
        print_json(shelf.paths)
        return
    try:
        from teacher_tools.export import mcp_server
    except ModuleNotFoundError as error:
        raise UserError(
            f"serving needs the package {error.name!r}; install it with pip install 'ffr[mcp]'"
        ) from error
    if shelf.skipped:
        typer.echo(f"{shelf.skipped} files lead outside the folder and are left out", err=True)
    with ToolRunner(toolset, workers=workers) as runner, contextlib.suppress(KeyboardInterrupt):
        server = mcp_server.build_server(runner, shelf)
        if http is None:
            asyncio.run(mcp_server.serve_stdio(server))
        else:
            asyncio.run(mcp_server.serve_http(server, http))


def _run(toolset: Toolset, name: str, arguments: str, path: Path) -> ToolResult:
    with ToolRunner(toolset, workers=1) as runner:
        result = runner.call_sync(name, arguments, path)
    if result.boundary is not None:
        *trace, reason = result.detail.strip().splitlines() or [result.message]
        if trace:
            typer.echo("\n".join(trace), err=True)  # a bug in a tool: its author wants the place
        raise UserError(f"{name} failed ({result.boundary}): {reason}")
    if not result.ok:
        raise UserError(f"{name}: {result.message}")
    return result


def _arguments(pairs: list[str]) -> str:
    """``key=value`` words as a JSON object; values are JSON, lists of numbers, or plain text."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, value = _pair(pair, "start_s=3")
        if key in arguments:
            raise UserError(f"argument {key!r} is given twice; give it once")
        arguments[key] = _value(value)
    return json.dumps(arguments)


def _pair(word: str, example: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise UserError(f"argument {word!r} is not key=value; write for example {example}")
    return key, value


def _value(text: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(text)
    with contextlib.suppress(ValueError):
        numbers = [float(part) for part in text.split(",")]
        return numbers if "," in text else numbers[0]
    return text
