"""``ffr tools``: look at the teacher's tools, and try them on a video."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ffr.cli.shared import AsJson, print_json
from ffr.errors import UserError
from teacher_tools.contact_sheet import contact_sheet
from teacher_tools.encode import encode_jpeg
from teacher_tools.evidence import Evidence
from teacher_tools.media import resolve_media
from teacher_tools.runner import ToolResult, ToolRunner
from teacher_tools.schema import in_words
from teacher_tools.toolset import Toolset, load_toolset

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look at the teacher's tools and try them on a video.")

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
) -> None:
    """Print the tools as OpenAI function definitions (JSON)."""
    print_json(load_toolset(names or None, tools or ()).openai_schemas())


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
    report = _save(result, result.evidence, folder)
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
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UserError(f"argument {pair!r} is not key=value; write for example start_s=3")
        if key in arguments:
            raise UserError(f"argument {key!r} is given twice; give it once")
        arguments[key] = _value(value)
    return json.dumps(arguments)


def _value(text: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(text)
    with contextlib.suppress(ValueError):
        numbers = [float(part) for part in text.split(",")]
        return numbers if "," in text else numbers[0]
    return text


def _save(result: ToolResult, evidence: Evidence, folder: Path) -> dict[str, Any]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        frames = []
        for i, frame in enumerate(evidence.frames):
            path = folder / f"{i:02d}_{frame.t_s:09.3f}s.jpg"
            path.write_bytes(encode_jpeg(frame.image))
            frames.append(
                {
                    "t_s": frame.t_s,
                    "pts": frame.pts,
                    "box": frame.box,
                    "path": str(path),
                    "label": frame.label,
                    "intact": frame.intact,
                }
            )
        sheet = None
        if evidence.frames:
            sheet = folder / "contact_sheet.png"
            Image.fromarray(contact_sheet(evidence)).save(sheet)
    except OSError as error:
        raise UserError(
            f"cannot write to {str(folder)!r}: {error.strerror}; give another folder with --out"
        ) from error
    return {
        "tool": result.tool,
        "arguments": result.arguments,
        "frames": frames,
        "text": evidence.text,
        "span": None if evidence.span is None else evidence.span.model_dump(mode="json"),
        "contact_sheet": None if sheet is None else str(sheet),
        "seconds": round(result.seconds, 4),
    }
