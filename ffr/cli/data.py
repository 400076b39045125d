"""``ffr data``: make the demo world, convert and check data sets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.config.schema import DemoWorldConfig
from ffr.data.convert import Converted, convert_video_r1
from ffr.data.load import LoadedQuestions, load_questions
from ffr.errors import UserError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make, convert and check data sets.")
_DEMO = DemoWorldConfig()


@app.command("demo")
def demo(
    output: Annotated[Path, typer.Option(help="Folder of the demo world.")] = Path(_DEMO.path),
    sft: Annotated[int, typer.Option(min=1, help="Questions for SFT.")] = _DEMO.sft,
    train: Annotated[int, typer.Option(min=1, help="Training questions.")] = _DEMO.train,
    validation: Annotated[int, typer.Option(min=1, help="Validation questions.")] = (
        _DEMO.validation
    ),
    test: Annotated[int, typer.Option(min=1, help="Test questions.")] = _DEMO.test,
    seed: Annotated[int, typer.Option(help="Same seed, same videos.")] = _DEMO.seed,
    as_json: AsJson = False,
) -> None:
    """Render the demo world: real mp4 files and questions about them; an equal one is reused."""
    from ffr.demo.world import generate_demo_world

    config = DemoWorldConfig(
        path=str(output), sft=sft, train=train, validation=validation, test=test, seed=seed
    )
    with progress_bar("rendering videos") as progress:
        world = generate_demo_world(config, progress)
    videos = sum(1 for _ in (world.root / "videos").glob("*.mp4"))
    splits = ("sft", "train", "validation", "test")
    if as_json:
        files = {name: str(getattr(world, name)) for name in splits}
        print_json({"root": str(world.root), "videos": videos, **files})
        return
    print(f"{world.root}: {videos} videos; {', '.join(f'{name}.jsonl' for name in splits)}")


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="JSONL file with one question a line.")],
    media_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder the videos lie under; default: the file's own.", show_default=False
        ),
    ] = None,
    media: Annotated[bool, typer.Option(help="Also open every video.")] = True,
    as_json: AsJson = False,
) -> None:
    """Check every row of a question file and every video it names; exit code 2 on a bad row."""
    with progress_bar("opening videos") as progress:
        loaded = load_questions(path, media_root, "skip", check_media=media, progress=progress)
    _report_questions(path, loaded, as_json)
    if loaded.skipped:
        raise UserError(
            f"{path}: {len(loaded.skipped)} bad rows; mend them, or train with "
            "data.on_bad_row=skip to leave them out"
        )


@app.command("convert")
def convert(
    source: Annotated[Path, typer.Argument(help="JSON list or JSONL in Video-R1's format.")],
    target: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    strip: Annotated[
        str, typer.Option(help="Beginning of each path to cut off, so that it is relative.")
    ] = "",
    on_bad_row: Annotated[
        str, typer.Option(metavar="fail|skip", help="What to do with rows that do not fit.")
    ] = "fail",
    as_json: AsJson = False,
) -> None:
    """Convert Video-R1-style records (problem, options, solution) to question rows."""
    if on_bad_row not in ("fail", "skip"):
        raise UserError(f"--on-bad-row={on_bad_row} is not allowed; give fail or skip")
    converted = convert_video_r1(source, target, strip_prefix=strip, fail=on_bad_row == "fail")
    _report_conversion(target, converted, as_json)


def _report_questions(path: Path, loaded: LoadedQuestions, as_json: bool) -> None:
    kinds = Counter[str](q.answer_type for q in loaded.questions)
    families = Counter(q.family for q in loaded.questions if q.family)
    videos = len({q.video for q in loaded.questions})
    if as_json:
        print_json(
            {
                "path": str(path),
                "questions": len(loaded.questions),
                "videos": videos,
                "answer_types": dict(kinds),
                "families": dict(families),
                "sha256": loaded.sha256,
                "bad_rows": [
                    {"line": row.line, "id": row.id, "reason": row.reason} for row in loaded.skipped
                ],
            }
        )
        return
    for row in loaded.skipped:
        print(row)
    print(f"{len(loaded.questions)} good questions about {videos} videos: {_counts(kinds)}")
    if families:
        print(f"families: {_counts(families)}")
    print(f"content hash: {loaded.sha256}")


def _report_conversion(target: Path, converted: Converted, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "path": str(target),
                "questions": converted.written,
                "left_out": dict(converted.left_out),
                "bad_rows": [
                    {"line": row.line, "id": row.id, "reason": row.reason} for row in converted.bad
                ],
            }
        )
        return
    for row in converted.bad:
        print(row)
    print(f"{target}: {converted.written} questions")
    for reason, count in converted.left_out.items():
        print(f"left out: {count} ({reason})")
    print(f"next: ffr data check {target} --media-root FOLDER")


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))
