"""``ffr data convert`` and ``ffr data cut``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ffr.cli.data_shared import MediaRoot, OnBadRow, policy_of, print_bad
from ffr.cli.shared import AsJson, print_json, progress_bar
from ffr.data.convert import Converted, convert_rows
from ffr.data.formats.charades_sta import CharadesSta
from ffr.data.formats.field_map import FieldMap, parse_fields
from ffr.data.formats.made import Format
from ffr.data.formats.next_gqa import NextGqa, read_side_file
from ffr.data.formats.video_r1 import VideoR1
from ffr.data.formats.video_r2 import VideoR2
from ffr.data.manifest import write_manifest
from ffr.data.sources import Source

__all__ = ["convert", "cut"]

FormatName = Literal["video-r1", "video-r2", "next-gqa", "charades-sta", "fields"]


def convert(
    source: Annotated[
        str,
        typer.Argument(help="JSON list, JSONL, .gz, .parquet, .csv, .txt, or hf:NAME_OR_FOLDER."),
    ],
    target: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    form: Annotated[
        FormatName, typer.Option("--format", help="What the records look like.")
    ] = "video-r1",
    to: Annotated[
        Literal["questions", "sft"],
        typer.Option(help="sft: records with the response to learn."),
    ] = "questions",
    strip: Annotated[
        str, typer.Option(help="Beginning of each path to cut off, so that it is relative.")
    ] = "",
    field: Annotated[
        list[str] | None,
        typer.Option(help="fields: OUR_FIELD=THEIR_KEY, repeatable.", show_default=False),
    ] = None,
    answer_form: Annotated[
        Literal["auto", "index0", "index1"],
        typer.Option(help="fields: the gold option as letter or text, or its number."),
    ] = "auto",
    instruction: Annotated[
        str, typer.Option(help="video-r2: first words of the instruction after the question.")
    ] = "",
    spans: Annotated[
        Path | None, typer.Option(help="next-gqa: gsub_val.json.", show_default=False)
    ] = None,
    video_map: Annotated[
        Path | None, typer.Option(help="next-gqa: map_vid_vidorID.json.", show_default=False)
    ] = None,
    ask: Annotated[
        Literal["start", "end", "span"], typer.Option(help="charades-sta: what is asked for.")
    ] = "span",
    split: Annotated[str, typer.Option(help="hf: which split.")] = "train",
    subset: Annotated[
        str | None, typer.Option(help="hf: which configuration.", show_default=False)
    ] = None,
    on_bad_row: OnBadRow = "fail",
    as_json: AsJson = False,
) -> None:
    """Convert published records to question rows or SFT records, in flat memory."""
    policy = policy_of(on_bad_row)
    options: dict[str, Any] = {}
    chosen: Format
    match form:
        case "video-r1":
            options = {"strip": strip}
            chosen = VideoR1(strip)
        case "video-r2":
            options = {"strip": strip, "instruction": instruction}
            chosen = VideoR2(strip, instruction)
        case "next-gqa":
            chosen = NextGqa(
                read_side_file(spans) if spans else {},
                read_side_file(video_map) if video_map else {},
            )
        case "charades-sta":
            options = {"ask": ask, "folder": strip}
            chosen = CharadesSta(ask, strip)
        case "fields":
            options = {"fields": parse_fields(field or []), "answer_form": answer_form,
                       "strip": strip}  # fmt: skip
            chosen = FieldMap(options["fields"], answer_form, strip)
    where = Source(source, split, subset)
    with progress_bar("converting") as progress:
        done = convert_rows(
            where, target, chosen, policy=policy, output=to, progress=lambda n: progress(n, n)
        )
    sources = [p for p in (where.path, spans, video_map) if p is not None]
    write_manifest(
        target,
        made_by={"command": "convert", "format": form, "to": to, "on_bad_row": str(policy),
                 "hub": None if where.path else {"name": source, "split": split, "subset": subset},
                 **options},
        rows=done.written, questions_sha256=done.sha256, sources=sources,
        counts={"left_out": done.left_out, "notes": done.notes,
                "bad_rows": done.bad_report["by_kind"]},
    )  # fmt: skip
    _report(target, to, done, as_json)


def cut(
    source: Annotated[Path, typer.Argument(help="JSONL file of questions.")],
    target: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    media_root: MediaRoot = None,
    folder: Annotated[str, typer.Option(help="Folder below the media root for clips.")] = "clips",
    on_bad_row: OnBadRow = "fail",
    as_json: AsJson = False,
) -> None:
    """Cut the clips that rows are about into files of their own; needs the ffmpeg program."""
    from ffr.data.cut import cut_clips

    policy = policy_of(on_bad_row)
    root = media_root or source.parent
    with progress_bar("cutting clips") as progress:
        done = cut_clips(source, target, root, folder=folder, policy=policy,
                         progress=lambda n: progress(n, n))  # fmt: skip
    write_manifest(
        target, made_by={"command": "cut", "folder": folder, "on_bad_row": str(policy)},
        rows=done.written, sources=[source], counts={"bad_rows": done.bad["by_kind"]},
    )  # fmt: skip
    if as_json:
        print_json({"path": str(target), "questions": done.written, "cut": done.cut,
                    "reused": done.reused, "whole": done.whole, "bad_rows": done.bad})  # fmt: skip
        return
    print_bad(done.bad)
    print(f"{target}: {done.written} questions; {done.cut} clips cut, {done.reused} used again, "
          f"{done.whole} rows about whole files")  # fmt: skip


def _report(target: Path, to: str, done: Converted, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "path": str(target),
                "records": done.read,
                "questions": done.written,
                "sha256": done.sha256,
                "left_out": dict(done.left_out),
                "notes": dict(done.notes),
                "bad_rows": [row.as_dict() for row in done.bad],
                "bad": done.bad_report,
            }
        )
        return
    print_bad(done.bad_report)
    print(f"{target}: {done.written} {'SFT records' if to == 'sft' else 'questions'}")
    for reason, count in done.left_out.items():
        print(f"left out: {count} ({reason})")
    for note, count in done.notes.items():
        print(f"not carried over: {count} ({note})")
    if to == "questions":
        print(f"next: ffr data check {target} --media-root FOLDER")
